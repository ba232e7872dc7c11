import pytest

from matseek.workbench import CampaignsFolder


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").touch()
    return CampaignsFolder(tmp_path)


def test_campaigns_are_folders_with_a_config(folder, tmp_path):
    assert folder.names() == ["a", "b"]
    assert folder.campaign("a").path == tmp_path / "a"


@pytest.mark.parametrize("name", ["", "c", "notes", "..", "../outside", "/etc", "a/../b"])
def test_no_other_folder_is_a_campaign(folder, name):
    with pytest.raises(FileNotFoundError, match="holds no campaign"):
        folder.campaign(name)


@pytest.mark.parametrize("name", ["", " a", ".hidden", "a/b", "a\\b", "..", "a:b", "end.", "x" * 61, "a\nb"])
def test_a_new_campaign_needs_the_name_of_a_folder(folder, name):
    with pytest.raises(ValueError, match="cannot be that of a folder"):
        folder.free(name)


def test_a_new_campaign_takes_nobodys_folder(folder, tmp_path):
    with pytest.raises(FileExistsError, match="another name"):
        folder.free("notes")
    assert folder.free("Ag prisms 2.1").path == tmp_path / "Ag prisms 2.1"


def test_a_folder_must_be_there(tmp_path):
    with pytest.raises(NotADirectoryError, match="name the folder"):
        CampaignsFolder(tmp_path / "nowhere")
