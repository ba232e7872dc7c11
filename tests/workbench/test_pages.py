"""What the server answers, without a browser."""

import httpx
import pytest

from tests.workbench.lab import measured


@pytest.fixture(scope="module")
def client(served):
    folder, address = served
    if not (folder / "answered").exists():
        measured(folder, "answered", waiting=3)
    with httpx.Client(base_url=address.partition("/?")[0], follow_redirects=True, timeout=60) as client:
        assert client.get(address).status_code == 200
        yield client


def test_the_screens_are_built(client):
    home = client.get("/").text
    assert "answered" in home
    assert "3 recipes wait for a result." in home
    campaign = client.get("/campaign/answered").text
    for text in ("To be measured", "Give results", "Best recipes", "Correct what was written down", "When to stop"):
        assert text in campaign, text
    assert "What is varied" in client.get("/new").text


def test_nothing_comes_from_elsewhere(client):
    page = client.get("/campaign/answered")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "https://" not in page.text.replace("https://www.w3.org", "")


def test_the_waiting_recipes_are_downloaded(client):
    table = client.get("/campaign/answered/waiting.csv")
    assert table.text.splitlines()[0] == "evaluation,Q,c (mM),pH"
    assert len(table.text.splitlines()) == 4
    assert client.get("/campaign/answered/waiting.xlsx").content[:2] == b"PK"


@pytest.mark.parametrize("path", ["/campaign/answered/waiting.exe", "/campaign/nothing/waiting.csv", "/nowhere"])
def test_what_is_not_there_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_a_campaign_that_is_not_there_is_told(client):
    assert "holds no campaign" in client.get("/campaign/nothing").text


def test_strangers_are_refused(served):
    address = served[1].partition("/?")[0]
    assert httpx.get(address, timeout=60).status_code == 403
    assert httpx.get(f"{address}/campaign/answered/waiting.csv", timeout=60).status_code == 403
