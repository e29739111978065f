"""Have entries keep the number of their copy when it goes."""


def migrate(cr, version):
    cr.execute(
        "UPDATE gmail_entry SET copy_number = message_id WHERE message_id IS NOT NULL"
    )
