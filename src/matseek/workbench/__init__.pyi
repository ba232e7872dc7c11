from .folder import CampaignsFolder as CampaignsFolder
from .server import PageServer as PageServer
