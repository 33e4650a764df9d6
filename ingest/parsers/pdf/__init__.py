"""PDF: text in reading order, with pages, headings, tables and the places of lines."""
