import base64
import json
import logging
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from matseek import secrets
from matseek.campaign import Campaign
from matseek.cli import app
from matseek.configuration import run_settings
from matseek.logs import LOG, logging_to
from matseek.problems import RecipeProblem
from matseek.searchers import LatinHypercube
from matseek.secrets import keep_secret, masked, masked_data
from matseek.spaces import Box, Variable

KEY = 'op3n"sesame&<ü>'
PASSWORD = "pa55:w/ord"


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(secrets, "_known", set())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+asyncpg://u:PASS@h/db cannot", "postgresql+asyncpg://u:***@h/db cannot"),
        (f"tls://user:{PASSWORD}@host:8786", "tls://user:***@host:8786"),
        ("https://:PASS@host", "https://:***@host"),
        ("tcp://host:8786 and http://www.w3.org/2000/svg", "tcp://host:8786 and http://www.w3.org/2000/svg"),
        ("db?password=PASS&ssl=1", "db?password=***&ssl=1"),
        ("host=h password='a b' user=u", "host=h password=*** user=u"),
        ("postgresql://me@server:PASS@h/db", "postgresql://me@server:***@h/db"),
        ('postgresql://u:PA"SS@h/db', "postgresql://u:***@h/db"),
        ("https://ghp_TOKEN@github.com/x", "https://***@github.com/x"),
        ("postgresql://me@h/db", "postgresql://me@h/db"),
        ("PGPASSWORD=PASS sslpassword=PASS", "PGPASSWORD=*** sslpassword=***"),
        ("logger={'password': 'a b', 'n': 5}", "logger={'password': '***', 'n': 5}"),
        ('{"api_key": "PASS", "clientSecret":"PASS"}', '{"api_key": "***", "clientSecret":"***"}'),
        ("password: PASS\nseed: 0", "password: ***\nseed: 0"),
        ("Authorization: Bearer abcdef123", "Authorization: Bearer ***"),
        ("private_key=PASS&secret_key=PASS", "private_key=***&secret_key=***"),
        ("+calculator.api_key=sk-12 steps=5", "+calculator.api_key=*** steps=5"),
        ("tokens=5, monkey=1", "tokens=5, monkey=1"),
    ],
)
def test_passwords_are_masked_by_their_place(text, expected):
    assert masked(text) == expected
    assert masked(expected) == expected


def test_known_secrets_are_masked_in_every_spelling():
    keep_secret(KEY)
    for text in (KEY, json.dumps({"a": KEY}), json.dumps({"a": KEY}, ensure_ascii=False), repr(KEY), f"x{KEY}y"):
        assert "sesame" not in masked(text)
    assert masked_data({"a": [KEY, {"password": "short", "n": 5}]}) == {"a": ["***", {"password": "***", "n": 5}]}


@pytest.mark.parametrize("value", ["PASS", 12345678, ["PASS"], {"a": "PASS"}])
@pytest.mark.parametrize("name", ["password", "db.password", "PGPASSWORD", "accessToken", "secret_key", "api_keys"])
def test_whatever_stands_under_a_secrets_name_is_masked(name, value):
    assert masked_data({"a": [{name: value}]}) == {"a": [{name: "***"}]}


@pytest.mark.timeout(20)
def test_masking_a_long_text_takes_a_moment():
    for piece in ("a", "-", "a-", "_token", "x://", "x://u:", ":", "password", "bearer ", "'"):
        masked(piece * (200_000 // len(piece)))


def test_a_page_holds_no_secret_of_an_error_not_even_in_its_table_to_download(tmp_path):
    def broken(points):
        raise RuntimeError(f"{{'password': 'opensesame'}} and postgresql://u:{PASSWORD}@h/db and {KEY}")

    keep_secret(KEY)
    problem = RecipeProblem(Box([Variable("x", 0, 1)]), broken)
    campaign = Campaign(problem, LatinHypercube(batch_size=2)).run(4)
    page = campaign.write(tmp_path).read_text()
    table = base64.b64decode(re.search(r"data:text/csv;charset=utf-8;base64,([^\"]*)", page)[1]).decode()
    assert "RuntimeError" in page
    assert "RuntimeError" in table
    for text in (page, table):
        assert "sesame" not in text
        assert "ord@h" not in text


@pytest.mark.parametrize("value", ["cpu", "120", "1e-3", "/tmp", ""])
def test_common_words_numbers_and_paths_are_no_secrets(value):
    keep_secret(value)
    assert masked(f"a {value} b") == f"a {value} b"


@pytest.fixture
def keyed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATSEEK_TEST_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return tmp_path


OVERRIDES = [
    "problem=silver",
    "problem.droplets=2",
    "searcher=lhs",
    "searcher.batch_size=3",
    "budget=3",
    "run_dir=out",
    "+note='${oc.env:MATSEEK_TEST_KEY}'",
    "data='${oc.env:MATSEEK_TEST_KEY}'",
    "+other='before ${note} after'",
    f"+ledger='postgresql://me:{PASSWORD}@host/db'",
    "+service.api_key=typed-in-plain",
]


def _leaks(folder):
    spelt = [*secrets._spellings(KEY), *secrets._spellings(PASSWORD), "typed-in-plain"]
    needles = {text.encode() for text in spelt}
    return [p for p in folder.rglob("*") if p.is_file() and any(needle in p.read_bytes() for needle in needles)]


def test_what_the_environment_gave_is_not_recorded(keyed):
    config = run_settings(OVERRIDES).config
    raw = {key: config._get_node(key)._value() for key in ("note", "data", "other")}
    assert raw == {
        "note": "${oc.env:MATSEEK_TEST_KEY}",
        "data": "${oc.env:MATSEEK_TEST_KEY}",
        "other": "before ${oc.env:MATSEEK_TEST_KEY} after",
    }
    assert config.ledger == "postgresql://me:***@host/db"
    assert config.service.api_key == "***"


@pytest.mark.parametrize("logger", ["csv", "tensorboard", "wandb"])
def test_no_file_of_a_run_holds_a_secret(keyed, logger):
    command = [sys.executable, "-c", "from matseek.cli import app; app()", "run", *OVERRIDES, f"logger={logger}"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert "sesame" not in told.stdout + told.stderr
    assert (keyed / "out" / "report.html").is_file()
    assert _leaks(keyed) == []


def test_messages_and_the_log_hold_no_secret(keyed):
    assert CliRunner().invoke(app, ["run", *OVERRIDES]).exit_code == 0
    result = CliRunner().invoke(app, ["run", *OVERRIDES, "searcher.batch_size='${oc.env:MATSEEK_TEST_KEY}'", "--debug"])
    assert result.exit_code == 2
    assert "batch_size" in result.output
    assert "Traceback" in result.output
    assert "sesame" not in result.output
    with pytest.raises(RuntimeError), logging_to(keyed / "out"):
        raise RuntimeError(f"the server refused {KEY}")
    assert "RuntimeError: the server refused ***" in (keyed / "out" / LOG).read_text()
    assert _leaks(keyed) == []


def test_a_log_is_bounded_and_does_without_a_folder(tmp_path):
    noisy = logging.getLogger("noisy")
    with logging_to(tmp_path / "missing"):
        noisy.warning("nobody reads this")
    assert not (tmp_path / "missing").exists()
    with logging_to(tmp_path):
        for _ in range(40):
            noisy.warning("x" * 100_000)
    assert {p.name for p in tmp_path.iterdir()} == {"matseek.log", "matseek.log.1"}
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 2.5e6
