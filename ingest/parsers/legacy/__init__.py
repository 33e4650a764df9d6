"""The binary formats of Word, PowerPoint and Excel up to 2003."""
