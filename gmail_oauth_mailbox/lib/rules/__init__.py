"""Rules of the product as pure functions on frozen values: no database, no network.

``sharing`` decides what a record shows of an email. ``same_email`` decides which stored
messages are copies of one email, and which of them look the same to a reader.
"""
