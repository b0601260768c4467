"""The content of a message: headers, body, attachments and original, as the database stores them."""
