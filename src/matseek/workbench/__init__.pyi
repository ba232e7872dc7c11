from .folder import CampaignsFolder as CampaignsFolder
from .server import serve as serve
