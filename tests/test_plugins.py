"""Parts by name, from whatever packages are installed."""

from importlib import import_module

import pytest

from matseek import plugins
from matseek.acquisition import QEI, LogEI
from matseek.errors import ConfigurationError
from tests.shipped import shipped


@pytest.mark.parametrize("group", [group for group in plugins.GROUPS if group != plugins.CONFIGS])
def test_what_matseek_offers_is_there(group):
    """Whatever version of it is installed: of a checkout the pyproject.toml of today counts."""
    for name, value in shipped(group).items():
        if value.startswith(plugins.PREFIX):
            module, _, attribute = value.partition(":")
            assert plugins.part(group, name) is getattr(import_module(module), attribute)


def test_other_packages_add_names_and_replace_none(offer):
    offer(plugins.ACQUISITIONS, "qei", "os:system")
    offer(plugins.ACQUISITIONS, "mine", "os:getpid")
    assert plugins.part(plugins.ACQUISITIONS, "qei") is QEI
    assert plugins.part(plugins.ACQUISITIONS, "local_penalization") is LogEI
    assert "os.getpid" in plugins.targets()


def test_what_is_not_there_is_told(offer):
    offer(plugins.ACQUISITIONS, "broken", "matseek.acquisition:Nothing")
    with pytest.raises(ConfigurationError, match=r"offers 'magic' in the entry points .*"):
        plugins.part(plugins.ACQUISITIONS, "magic")
    with pytest.raises(ConfigurationError, match=r"broken = .* cannot be imported .*; mend or uninstall"):
        plugins.part(plugins.ACQUISITIONS, "broken")
