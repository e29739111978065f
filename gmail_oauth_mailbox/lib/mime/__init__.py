"""Reading mail: charsets, addresses, the names of files.

Pure functions on text and bytes of strangers. They never fail, and bound their work.
"""
