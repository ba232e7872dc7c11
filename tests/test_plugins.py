"""Parts by name, from whatever packages are installed."""

import pytest

from matseek import plugins
from matseek.acquisition import QEI, LogEI
from matseek.errors import ConfigurationError
from tests.shipped import shipped


@pytest.mark.parametrize("group", plugins.GROUPS)
def test_what_matseek_offers_is_there(group, offer):
    if group != plugins.CONFIGS:
        for name, value in shipped(group).items():
            offer(group, name, value)
            if "chgnet" not in value and "mace" not in value:  # need packages that are not always installed
                assert callable(plugins.part(group, name))


def test_other_packages_add_names_and_replace_none(offer):
    for name, value in shipped(plugins.ACQUISITIONS).items():
        offer(plugins.ACQUISITIONS, name, value)
    offer(plugins.ACQUISITIONS, "qei", "os:system")
    offer(plugins.ACQUISITIONS, "mine", "os:getpid")
    assert plugins.part(plugins.ACQUISITIONS, "qei") is QEI
    assert plugins.part(plugins.ACQUISITIONS, "local_penalization") is LogEI
    assert "os.getpid" in plugins.targets()


def test_what_is_not_there_is_told(offer):
    offer(plugins.ACQUISITIONS, "broken", "matseek.acquisition:Nothing")
    with pytest.raises(ConfigurationError, match=r"offers 'magic' in the entry points .* install it anew"):
        plugins.part(plugins.ACQUISITIONS, "magic")
    with pytest.raises(ConfigurationError, match=r"broken = .* cannot be imported .*; mend or uninstall"):
        plugins.part(plugins.ACQUISITIONS, "broken")
