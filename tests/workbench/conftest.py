from threading import Thread

import pytest
from omegaconf import OmegaConf

from matseek.configuration import run_settings
from matseek.run_folder import RunFolder
from matseek.runs import keep_config, open_campaign
from matseek.workbench import PageServer

VALUES = ["problem=laboratory", "problem.quantity=yield", "problem.unit='%'", "searcher=lhs", "searcher.batch_size=4"]


@pytest.fixture
def begin(tmp_path):
    """Begin a campaign in a folder of campaigns, as `matseek ask` does: ``begin("lab", "problem=...")``."""

    def begin(name, *overrides, asked=4):
        settings = run_settings([*(overrides or VALUES), f"run_dir='{tmp_path / name}'"])
        campaign = open_campaign(settings)
        keep_config(settings)
        if asked:
            campaign.ask(asked)
        return RunFolder(tmp_path / name), campaign

    return begin


@pytest.fixture
def foreign(tmp_path):
    """A run folder whose config names what is no part of matseek."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    OmegaConf.save({"problem": {"_target_": "os.system"}, "searcher": {}}, folder / "config.yaml")
    return RunFolder(folder)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A running page: its folder and the address. NiceGUI runs once in a process."""
    folder = tmp_path_factory.mktemp("campaigns")
    server = PageServer.of(folder)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    yield folder, server.address
    server.stop()
    thread.join(20)
