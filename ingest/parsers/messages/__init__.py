"""Mail: MIME, mailboxes and Outlook messages."""
