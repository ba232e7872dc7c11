import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from matseek.workbench.gate import Gate

HERE = "http://127.0.0.1:8000"


@pytest.fixture
def client():
    app = FastAPI()
    app.add_middleware(Gate, token="sesame", port=8000)

    @app.get("/")
    def home():
        return "in"

    @app.websocket("/live")
    async def live(socket: WebSocket):
        await socket.accept()
        await socket.send_text("in")
        await socket.close()

    return TestClient(app, base_url=HERE, follow_redirects=False)


def test_the_token_becomes_a_cookie_and_leaves_the_address(client):
    entered = client.get("/?token=sesame")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    inside = client.get("/")
    assert (inside.status_code, inside.json()) == (200, "in")
    assert "default-src 'self'" in inside.headers["content-security-policy"]


@pytest.mark.parametrize("address", ["/", "/?token=", "/?token=sesam", "/?token=wrong&token=sesame"])
def test_without_the_token_nothing_is_shown(client, address):
    assert client.get(address).status_code == 403


def test_another_name_of_the_machine_and_other_sites_are_refused(client):
    client.get("/?token=sesame")
    assert client.get("/", headers={"host": "attacker.example:8000"}).status_code == 403
    assert client.get("/", headers={"host": "127.0.0.1:8001"}).status_code == 403
    assert client.get("/", headers={"origin": "http://attacker.example"}).status_code == 403
    assert client.get("/", headers={"origin": HERE}).status_code == 200


def test_websockets_need_the_cookie_too(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live"):
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live?token=sesame"):
        pass
    cookie = client.get("/?token=sesame").headers["set-cookie"].partition(";")[0]
    here = {"host": "127.0.0.1:8000", "cookie": cookie}
    with client.websocket_connect("/live", headers=here) as socket:
        assert socket.receive_text() == "in"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/live", headers=here | {"origin": "http://attacker.example"}),
    ):
        pass
