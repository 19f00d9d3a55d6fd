"""The server of a live page: what it answers is the engine's, and what it refuses it refuses in one line."""

import contextlib
import html
import http.client
import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from retrograd.errors import ModelError
from retrograd.explain.network import explain_network
from retrograd.explain.network.compute import Rounds
from retrograd.explain.network.description import with_arrays
from retrograd.explain.network.files import built_in
from retrograd.explain.page import PageServer, Player
from retrograd.explain.page.requests import read
from retrograd.explain.page.server import LARGEST
from retrograd.explain.page.trace import state_of


@contextlib.contextmanager
def serving(network):
    server = PageServer(Player(network))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def xor():
    with serving(built_in("xor")) as server:
        yield server


def question(network, **changes):
    found = {"row": 0, "output": None, "view": "", "round": 0, "rounds": 0, "state": state_of(network)}
    state = {**found["state"], **changes.pop("state", {})}
    return {**found, **changes, "state": state}


def send(server, body, method="POST", path="/api/trace", **headers):
    """(status, answer) of one request."""
    given = {"Content-Type": "application/json", "X-Retrograd-Token": server.token}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, body, {k: v for k, v in given.items() if v is not None})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text.decode(), response


def asked(server, content):
    status, text, _ = send(server, content)
    assert status == 200, text
    return json.loads(text)


def figures(answer, row, view=None):
    view = view or answer["view"]
    pools = [iter(answer["snapshot"]["rows"][str(row)]), iter(answer["snapshot"]["shared"])]
    return {label: next(pools[shared]) for label, shared in view["figures"]}


def test_the_page(xor):
    status, text, response = send(xor, b"", "GET", "/")
    assert status == 200 and xor.token in text and "connect-src 'self'" in html.unescape(text)
    assert response.getheader("Cache-Control") == "no-store" and response.getheader("X-Frame-Options") == "DENY"


@pytest.mark.parametrize("row", range(4))
def test_a_changed_network_is_worked_through_by_the_engine(xor, row):
    network = built_in("xor")
    arrays = [a + 0.25 for a in network.arrays()]
    inputs, targets = network.inputs * 0.5 + 0.1, network.targets * 0.8
    state = {
        "arrays": [a.ravel().tolist() for a in arrays], "inputs": inputs.tolist(), "targets": targets.tolist(),
        "learning_rate": 0.7, "activations": ["tanh", "logistic"],
    }  # fmt: skip
    found = figures(asked(xor, question(network, row=row, state=state)), row)
    layers = tuple(replaced_layer(layer, k) for layer, k in zip(network.layers, state["activations"], strict=True))
    changed = replace(network, inputs=inputs, targets=targets, learning_rate=0.7, layers=layers)
    reference = explain_network(with_arrays(changed, arrays), row=row, rounds=0, check=False).figures()
    for label, value in reference.items():
        if label in found and not label.startswith(("new", "E after")):
            assert found[label] == value, label
    assert found["η"] == 0.7


def replaced_layer(layer, activation):
    return type(layer)(**{**{n: getattr(layer, n) for n in layer.__dataclass_fields__}, "activation": activation})


@pytest.mark.parametrize("rounds", [1, 7, 1000])
def test_rounds_are_the_engines(xor, rounds):
    network = built_in("xor")
    answer = asked(xor, question(network, round=5, rounds=rounds))
    wanted = Rounds(network)(network, network.arrays(), rounds)
    for found, array in zip(answer["arrays"], wanted, strict=True):
        assert np.allclose(found, array.ravel(), rtol=1e-12, atol=0)
    assert answer["snapshot"]["round"] == 5 + rounds
    assert [n for n, _ in answer["curve"]][-1] == 5 + rounds and len(answer["curve"]) == min(rounds, 8)
    assert figures(answer, 0)["E of all rows"] == pytest.approx(answer["curve"][-1][1], rel=1e-12)


def test_a_view_that_the_page_has_is_not_sent_again(xor):
    first = asked(xor, question(built_in("xor")))
    again = asked(xor, question(built_in("xor"), view=first["view"]["key"]))
    assert "view" not in again and again["snapshot"] == first["snapshot"]


def test_what_does_not_end_in_a_number_is_said_in_words(xor):
    network = built_in("xor")
    state = {"activations": ["linear", "linear"], "learning_rate": 1e6}
    answer = asked(xor, question(network, rounds=500, state=state))
    assert figures(answer, 0)["E of all rows"] == "not a number"


def test_concurrent_questions_get_their_own_answers(xor):
    network, found = built_in("xor"), {}

    def ask(k):
        state = {"learning_rate": 1.0 + k}
        answer = asked(xor, question(network, row=k % 4, rounds=k % 3, state=state))
        found[k] = (figures(answer, k % 4)["η"], answer["snapshot"]["round"], list(answer["snapshot"]["rows"]))

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {k: (1.0 + k, k % 3, [str(k % 4)]) for k in range(12)}


@pytest.mark.parametrize(
    "status, said, options",
    [
        (403, "answers to http://127.0.0.1", {"Host": "evil.example"}),
        (403, "answers to http://127.0.0.1", {"Host": "127.0.0.1:1"}),
        (403, "answers to http://127.0.0.1", {"Host": "evil.example", "method": "GET", "path": "/"}),
        (403, "token", {"X_Retrograd_Token": "wrong"}),
        (403, "token", {"X_Retrograd_Token": None}),
        (403, "token", {"X_Retrograd_Token": "\xff"}),
        (404, "nothing here but the page", {"method": "GET", "path": "/etc/passwd"}),
        (404, "nothing here but the page", {"method": "GET", "path": "/../../etc/passwd"}),
        (404, "nothing here but the page", {"method": "GET", "path": "/?x"}),
        (404, "/api/trace", {"path": "/api/other"}),
        (411, "length", {"Content_Length": "x"}),
        (411, "length", {"Content_Length": "-5"}),
        (413, "at most 4 MB", {"Content_Length": str(LARGEST + 1)}),
        (413, "at most 4 MB", {"Content_Length": "9" * 40}),
        (415, "application/json", {"Content_Type": "text/plain"}),
        (501, "Unsupported method", {"method": "PUT"}),
    ],
)
def test_refused(xor, status, said, options):
    options = dict(options)
    found, text, _ = send(xor, b"{}", options.pop("method", "POST"), options.pop("path", "/api/trace"), **options)
    assert found == status and said in text
    if status != 501:
        assert json.loads(text).keys() == {"error"} and "\n" not in json.loads(text)["error"]


BAD = [
    (b"", "is no JSON"), (b"[1]", "an object with row, output"), (b"{", "is no JSON"), (b"\xff", "not UTF-8"),
    (b'{"a": NaN}', "not a number"), (b"[" * 100_000, "nested too deeply"),
    ({"row": 4}, "row: a whole number from 0 to 3"), ({"row": True}, "row"), ({"row": 1.0}, "row"), ({"row": -1}, "row"),
    ({"rounds": 10_001}, "rounds: a whole number from 0 to 10,000"), ({"round": "1"}, "round"),
    ({"output": 1}, "output"), ({"view": 3}, "view"), ({"state": {"extra": 1}}, "state: an object with"),
    ({"state": {"arrays": [[1, 2, 3], [0, 0], [0, 0], [0]]}}, "w1 to w4: a list of 4"),
    ({"state": {"arrays": [[1, 2, 3, "4"], [0, 0], [0, 0], [0]]}}, "w4: '4' is no number"),
    ({"state": {"arrays": [[1, 2, 3, True], [0, 0], [0, 0], [0]]}}, "w4: True is no number"),
    ({"state": {"arrays": [[1, 2, 10**400, 4], [0, 0], [0, 0], [0]]}}, "w3: the number is too large"),
    ({"state": {"arrays": [[1, 2, 3, 4]]}}, "arrays: a list of 4"),
    ({"state": {"inputs": [[1, 2]]}}, "inputs: a list of 4"), ({"state": {"inputs": [[1], [1], [1], [1]]}}, "inputs"),
    ({"state": {"targets": [[None], [1], [1], [1]]}}, "o: None is no number"),
    ({"state": {"learning_rate": 0}}, "learning rate: give a number above 0"),
    ({"state": {"learning_rate": "x"}}, "learning rate: 'x' is no number"),
    ({"rounds": 1, "state": {"learning_rate": None}}, "an update needs a learning rate"),
    ({"state": {"activations": ["softmax", "tanh"]}}, "activations[0]: 'softmax' cannot stand here"),
    ({"state": {"activations": ["tanh", ["x"]]}}, "activations[1]"), ({"state": {"activations": ["tanh"]}}, "activations"),
]  # fmt: skip


@pytest.mark.parametrize("content, said", BAD, ids=range(len(BAD)))
def test_questions_that_make_no_sense(content, said):
    network = built_in("xor")
    body = content if isinstance(content, bytes) else json.dumps(question(network, **content)).encode()
    with pytest.raises(ModelError) as caught:
        read(body, network)
    assert said in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_a_bad_question_gets_status_400_and_the_server_goes_on(xor):
    status, text, _ = send(xor, question(built_in("xor"), row=9))
    assert (status, json.loads(text)) == (400, {"error": "row: a whole number from 0 to 3 is needed"})
    assert asked(xor, question(built_in("xor")))


def test_a_defect_is_told_and_the_server_goes_on(monkeypatch, capsys):
    with serving(built_in("mazur")) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Player, "_answer", lambda *_: 1 / 0)
            status, text, _ = send(server, question(built_in("mazur")))
        assert status == 500 and json.loads(text)["error"] == "the engine failed: division by zero"
        assert "ZeroDivisionError" in capsys.readouterr().err
        assert asked(server, question(built_in("mazur")))


def test_targets_of_a_cross_entropy_stay_probabilities():
    from retrograd.explain.network.files import network_from

    layer = {"weights": [[0.1, 0.2], [0.3, -0.4]], "bias": 0.1, "activation": "softmax"}
    record = {"inputs": [[1, 2]], "targets": [[0, 1]], "layers": [layer], "loss": "cross-entropy"}
    network = network_from(record, "net")
    body = json.dumps(question(network, state={"targets": [[0.5, 0.6]]})).encode()
    with pytest.raises(ModelError, match="sum to 1"):
        read(body, network)
