"""Office Open XML: Word, PowerPoint and Excel files of today."""
