from . import export, oauth, spreadsheet
