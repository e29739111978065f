from . import controllers, log_filters, models, services, wizard
from .hooks import uninstall_hook

log_filters.install()
