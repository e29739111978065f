"""What is known of Google and of mail. Nothing in here imports Odoo."""
