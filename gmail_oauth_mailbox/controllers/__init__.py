from . import attach, export, oauth, spreadsheet
