"""Servers as people have them, through the command line: reached, and said why not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.cli.test_cli import tune
from tuner.testing.fake_server import running

KEY = "sk-made-up-5f3a"
QUICK = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1")


@contextmanager
def served(folder: Path, *options: str) -> Iterator[int]:
    """Run a server that writes down what it is asked; yield its port."""
    with running(*QUICK, "--record", str(folder / "seen.jsonl"), *options) as (_, port):
        yield port


def write_study(folder: Path, engine: dict[str, Any], **more: Any) -> None:
    """Write a study of two prompts for a server."""
    (folder / "prompts.jsonl").write_text('{"template": "say ok"}\n{"template": "say no"}\n')
    study = {
        "version": 1,
        "name": "s",
        "engine": {"kind": "openai", "model": "default", **engine},
        "workload": {"prompts": "prompts.jsonl"},
        "slo": [{"metric": "e2e", "max_ms": 5000}],
        "baseline": {"num_predict": 8},
    }
    (folder / "s.yaml").write_text(yaml.safe_dump({**study, **more}))


def measured(
    folder: Path, *words: str, requests: int = 12, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Measure the study of a folder."""
    asked = ("measure", "s.yaml", "--requests", str(requests), "--out", "out", "-q", *words)
    return tune(*asked, cwd=folder, **environment)


def seen(folder: Path) -> list[dict[str, Any]]:
    """Return the requests that came, those of chats only."""
    lines = (folder / "seen.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if "chat/completions" in r["target"]]


def everything_written(folder: Path) -> str:
    """Return the text of all files that a measurement left."""
    return "\n".join(f.read_text() for f in folder.rglob("*") if f.is_file())


@pytest.mark.parametrize(
    ("path", "options", "target"),
    [
        ("", (), "/v1/chat/completions"),
        ("/", (), "/v1/chat/completions"),
        ("/v1/", (), "/v1/chat/completions"),
        ("/v1/chat/completions", (), "/v1/chat/completions"),
        ("/v1/chat/completions/", (), "/v1/chat/completions/"),
        ("/v1/models", (), "/v1/chat/completions"),
        ("/api/v3", ("--base-path", "/api/v3"), "/api/v3/chat/completions"),
        ("/proxy/llm", ("--base-path", "/proxy/llm"), "/proxy/llm/chat/completions"),
        (
            "/openai/deployments/x?api-version=2024-06-01",
            ("--base-path", "/openai/deployments/x", "--query", "api-version=2024-06-01"),
            "/openai/deployments/x/chat/completions?api-version=2024-06-01",
        ),
    ],
)
def test_a_path_and_a_query_are_sent_as_written(
    path: str, options: tuple[str, ...], target: str, tmp_path: Path
) -> None:
    """A base path, a pasted whole URL and a query each lead to the one path that is right."""
    with served(tmp_path, *options) as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}{path}"})
        found = measured(tmp_path, "--json")

    assert json.loads(found.stdout)["failures"] == {"error": 0, "timeout": 0, "incomplete": 0}
    assert {r["target"] for r in seen(tmp_path)} == {target}


@pytest.mark.parametrize(
    ("address", "host", "name"),
    [
        ("::1", "[::1]", "[::1]:{}"),
        ("127.0.0.1", "localhost", "localhost:{}"),
        ("127.0.0.1", "0.0.0.0", "127.0.0.1:{}"),
    ],
)
def test_a_server_is_reached_by_either_kind_of_address(
    address: str, host: str, name: str, tmp_path: Path
) -> None:
    """IPv6 in brackets, and localhost whichever it is; the Host header names what was asked."""
    with served(tmp_path, "--host", address) as port:
        write_study(tmp_path, {"url": f"http://{host}:{port}"})
        found = measured(tmp_path, "--json")

    assert json.loads(found.stdout)["n"] == 12
    assert {r["headers"]["host"] for r in seen(tmp_path)} == {name.format(port)}


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"url": "http://localhost:99999"}, "engine.url: expected http://HOST:PORT"),
        ({"url": "localhost:8080"}, "did you mean http://localhost:8080?"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http://[::1"}, "in brackets"),
        ({"url": "http://me:pw-5f3a@box:80"}, "no user and password here"),
        ({"url": "http://box:80", "ca_file": "ca.pem"}, "engine.ca_file: needs an https url"),
        ({"url": "https://box", "ca_file": "no.pem"}, "engine.ca_file: no certificates"),
        ({"url": "http://box:80", "api_key_env": KEY}, "not the key itself"),
        ({"url": "http://box:80", "api_key": KEY}, "did you mean api_key_env?"),
        ({"url": "http://box:80", "headers": {"X-Api-Key": KEY}}, "a key belongs in no file"),
        ({"url": "http://box:80", "headers": f"Authorization: {KEY}"}, "expected a mapping"),
        ({"url": "http://box:80", "headers": {"Host": "x"}}, "set by the tuner itself"),
        ({"url": "http://box:80", "headers": {"X Org": "x"}}, "cannot name a header"),
        ({"url": "http://box:80", "headers": {"X-A": "x\ny"}}, "one line of ASCII"),
        ({"url": "http://box:80", "headers": {"X-A": "x", "x-a": "y"}}, "there twice"),
        (
            {"url": "http://box:80", "knobs": {"limit": {"tier": "request", "default": 1,
                                                         "field": "max_tokens"}}},
            "set by two knobs",
        ),
        (
            {"url": "http://box:80", "knobs": {"slots": {"tier": "restart", "default": 1}}},
            "only knobs of tier request",
        ),
        ({"kind": "llamacpp", "url": "http://box:80"}, "belongs to kind ollama or openai"),
        ({"kind": "llamacpp", "api_key_env": "X"}, "belongs to kind openai"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_told_by_the_check(
    engine: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """`study check` names file, key and what is allowed, and repeats no secret."""
    write_study(tmp_path, engine)
    found = tune("study", "check", "s.yaml", cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert "s.yaml: engine." in found.stderr
    assert words in found.stderr
    assert "5f3a" not in found.stderr + found.stdout


def test_a_key_comes_from_the_environment_and_into_no_file(tmp_path: Path) -> None:
    """The variable's value is sent as the API wants it, and stands in nothing that is written."""
    with served(tmp_path, "--api-key", KEY) as port:
        engine = {"url": f"http://127.0.0.1:{port}", "api_key_env": "MY_KEY"}
        write_study(tmp_path, {**engine, "headers": {"X-Org": "acme"}})
        two = ("--client-processes", "2")
        found = measured(tmp_path, "--json", *two, MY_KEY=f"{KEY}\n")

    assert json.loads(found.stdout)["failures"]["error"] == 0
    assert {r["headers"]["x-org"] for r in seen(tmp_path)} == {"acme"}
    assert KEY not in found.stdout + found.stderr + everything_written(tmp_path / "out")


def test_a_key_may_go_into_a_header_of_another_name(tmp_path: Path) -> None:
    """`headers: {NAME: {env: VARIABLE}}` is for servers that want no Authorization."""
    with served(tmp_path, "--api-key", KEY, "--key-header", "api-key") as port:
        headers = {"api-key": {"env": "MY_KEY"}}
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}", "headers": headers})
        found = measured(tmp_path, "--json", MY_KEY=KEY)

    assert json.loads(found.stdout)["failures"]["error"] == 0


def test_a_refused_key_is_said_and_not_repeated(tmp_path: Path) -> None:
    """A server that repeats the wrong key in its message puts it into no file of ours."""
    with served(tmp_path, "--api-key", "another") as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}", "api_key_env": "MY_KEY"})
        found = measured(tmp_path, MY_KEY=KEY)

    assert found.returncode == 5
    assert "10 of 10 requests failed: HTTP 401: Incorrect API key provided" in found.stderr
    assert "engine.api_key_env" in found.stderr
    assert KEY not in found.stderr + everything_written(tmp_path / "out")


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    """Measuring ends with exit code 2; the check, which may run elsewhere, warns."""
    write_study(tmp_path, {"url": "http://127.0.0.1:9", "api_key_env": "NO_SUCH_KEY"})
    found, checked = measured(tmp_path), tune("study", "check", "s.yaml", cwd=tmp_path)

    assert found.returncode == 2
    assert "the environment has no NO_SUCH_KEY" in found.stderr
    assert checked.returncode == 0
    assert "the environment has no NO_SUCH_KEY" in checked.stdout + checked.stderr


@pytest.mark.parametrize("value", [" \n", "two\nlines", "ключ"])
def test_a_variable_that_no_header_can_hold_is_refused(value: str, tmp_path: Path) -> None:
    """An empty value, several lines and letters that HTTP lacks are bad input, not sent."""
    write_study(tmp_path, {"url": "http://127.0.0.1:9", "api_key_env": "MY_KEY"})
    found = measured(tmp_path, MY_KEY=value)

    assert found.returncode == 2
    assert "MY_KEY" in found.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--api-key", "x"), "HTTP 401: Incorrect API key provided: none; name the variable"),
        (("--instead", "page"), 'text/html came, no event stream: a web page, "Chat UI"'),
        (("--instead", "error"), "failed: model not loaded"),
        (("--instead", "unstreamed"), "the answer was not streamed: application/json came"),
        (("--instead", "redirect"), "HTTP 307: redirected to /v1/chat/completions/; write that"),
        (("--instead", "detail"), "HTTP 422: body.messages: field required"),
        (("--instead", "text"), "HTTP 429: Too many requests, slow down; lower the load"),
        (("--instead", "bad-gateway"), 'HTTP 502: a web page, "502 Bad Gateway"'),
        (("--base-path", "/llm"), "HTTP 404: File Not Found; compare engine.url"),
        (("--refuse-field", "stream_options"), "leave it out: engine.stream_options: false"),
        (("--refuse-field", "max_tokens"), "field: max_completion_tokens}}"),
        (("--error-every", "1"), "10 of 10 requests failed: HTTP 500: made to fail"),
        (("--cut-every", "1"), "10 of 10 requests failed: connection closed by the server"),
    ],
)
def test_where_all_requests_fail_the_reason_is_said(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """After the first ten nothing more is sent: exit code 5, what failed is kept."""
    with served(tmp_path, *options) as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}"})
        found = measured(tmp_path, requests=200)

    kept = (tmp_path / "out/trials/0000/samples.jsonl").read_text().splitlines()
    assert found.returncode == 5
    assert "10 of 10 requests failed: " in found.stderr
    assert said in found.stderr
    assert sum(not json.loads(line)["warmup"] for line in kept) == 10


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        (("--refuse-field", "stream_options"), {"stream_options": False}),
        (
            ("--refuse-field", "max_tokens"),
            {"knobs": {"num_predict": {"tier": "request", "field": "max_completion_tokens"}}},
        ),
        (
            ("--refuse-field", "top_p"),
            {"knobs": {"top_p": {"tier": "request", "default": "auto"}}},
        ),
    ],
)
def test_a_field_that_a_server_refuses_can_be_left_out(
    options: tuple[str, ...], engine: dict[str, Any], tmp_path: Path
) -> None:
    """A switch for stream_options, another name for the output limit, `auto` for the others."""
    with served(tmp_path, *options) as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}", **engine})
        found = measured(tmp_path, "--json")

    assert json.loads(found.stdout)["failures"]["error"] == 0
    assert all(options[1] not in json.loads(r["body"]) for r in seen(tmp_path))


def test_where_some_requests_fail_the_reasons_are_counted(tmp_path: Path) -> None:
    """The terminal and the JSON say how often each reason came."""
    with served(tmp_path, "--error-every", "4") as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}"})
        found = measured(tmp_path, requests=14)

    document = json.loads((tmp_path / "out/measurement.json").read_text())
    assert found.returncode == 3
    assert f"Failed, of 14 requests: {document['failures']['error']} x HTTP 500: made to fail" in (
        found.stdout
    )
    assert document["failure_reasons"] == {"HTTP 500: made to fail": document["failures"]["error"]}


def test_a_run_ends_where_the_baseline_is_refused(tmp_path: Path) -> None:
    """No budget is spent on candidates that fail alike; with the fault gone --resume goes on."""
    engine: dict[str, Any] = {
        "kind": "command",
        "command": ["sh", "serve.sh", "{{ port }}"],
        "knobs": {"temperature": {"tier": "request", "default": 0.5}},
    }
    write_study(
        tmp_path, engine, baseline={}, space={"temperature": [0.1, 0.5, 0.9]},
        guard={"min_valid": 0.2}, search={"budget": "20s"},
    )  # fmt: skip
    _serve(tmp_path, "--instead page")
    refused = tune("run", "s.yaml", "--out", "out", "-q", cwd=tmp_path)
    first = [f.name for f in (tmp_path / "out/trials").iterdir()]
    _serve(tmp_path, "--answer prose")
    tune("run", "s.yaml", "--out", "out", "-q", "--resume", cwd=tmp_path)

    result = json.loads((tmp_path / "out/result.json").read_text())
    assert refused.returncode == 5
    assert 'requests failed: text/html came, no event stream: a web page, "Chat UI"' in (
        refused.stderr
    )
    assert first == ["0000"]
    assert result["best"]["failures"] == {"error": 0, "timeout": 0, "incomplete": 0}


def test_a_candidate_that_is_refused_is_infeasible_for_that_reason(tmp_path: Path) -> None:
    """The search goes on; trial and result say why nothing of the candidate was served."""
    command = [sys.executable, "-m", "tuner.testing.fake_server", '{"port": {{ port }}}', *QUICK]
    engine: dict[str, Any] = {
        "kind": "command",
        "command": [*command, "--answer", "prose", "--error-every", "{{ error_every }}"],
        "knobs": {"error_every": {"tier": "restart", "default": 0}},
    }
    write_study(
        tmp_path, engine, baseline={}, space={"error_every": [0, 1]},
        guard={"min_valid": 0.2}, search={"budget": "12s"},
    )  # fmt: skip
    tune("run", "s.yaml", "--out", "out", "-q", cwd=tmp_path)

    trials = json.loads((tmp_path / "out/result.json").read_text())["trials"]
    refused = [t for t in trials if t["candidate"]["error_every"] == 1]
    assert refused
    for trial in refused:
        assert trial["state"] == "pruned"
        assert "failed: " in trial["reason"]
        assert "HTTP 500: made to fail" in trial["reason"]


def _serve(folder: Path, option: str) -> None:
    """Write the script that starts a study's server."""
    server = f"{sys.executable} -m tuner.testing.fake_server {' '.join(QUICK)} {option}"
    (folder / "serve.sh").write_text(f"""exec {server} "{{\\"port\\": $1}}"\n""")


def test_what_failed_is_told_where_it_is_compared(tmp_path: Path) -> None:
    """A side of which nothing was served has no numbers, and says why."""
    with served(tmp_path, "--instead", "page") as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}"})
        measured(tmp_path)
    found = tune("compare", "out", "out", cwd=tmp_path)

    assert found.returncode == 2
    assert "nothing was measured there: 10 of 10 requests failed: text/html came" in found.stderr


def test_capacity_ends_where_the_lowest_load_is_refused(tmp_path: Path) -> None:
    """The first level says why nothing was served."""
    with served(tmp_path, "--instead", "page") as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}"})
        words = ("--highest", "2", "--out", "out", "-q")
        found = tune("capacity", "s.yaml", *words, cwd=tmp_path)

    assert found.returncode == 5
    assert "10 of 10 requests failed: text/html came" in found.stderr


@pytest.mark.parametrize("models", ["list", "null", "page", "none"])
def test_the_list_of_models_is_only_a_check(models: str, tmp_path: Path) -> None:
    """A bare list, null, a page and a 404 keep nobody from being measured."""
    with served(tmp_path, "--models", models, "--serves", "m") as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}", "model": "m"})
        found = measured(tmp_path, "--json")

    assert json.loads(found.stdout)["n"] == 12


@pytest.mark.parametrize(
    ("asked", "served_names", "said"),
    [
        ("tiny", ("tiny:latest", "other:1b"), None),
        ("Tiny:latest", ("tiny:latest",), None),
        ("library/tiny", ("tiny:latest",), None),
        ("registry.ollama.ai/library/tiny:latest", ("tiny:latest",), None),
        ("tiny:1b", ("tiny:latest",), "does not serve model 'tiny:1b'; it serves: tiny:latest"),
        ("me/tiny", ("tiny:latest",), "does not serve model 'me/tiny'"),
        ("org/model", ("Org/Model",), "it serves: Org/Model; did you mean Org/Model?"),
    ],
)
def test_a_name_is_what_the_server_takes_for_it(
    asked: str, served_names: tuple[str, ...], said: str | None, tmp_path: Path
) -> None:
    """Ollama fills in tag, namespace and registry and heeds no case; other servers do not."""
    listing = [word for name in served_names for word in ("--serves", name)]
    with served(tmp_path, *listing) as port:
        write_study(tmp_path, {"url": f"http://127.0.0.1:{port}/v1", "model": asked})
        found = measured(tmp_path)

    assert found.returncode == (3 if said is None else 2), found.stderr
    assert (said or "") in found.stderr


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the files of a server's key with its certificate, and of who vouches for it."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    return str(folder / "server.pem"), str(folder / "ca.pem")


def test_a_certificate_that_is_not_trusted_is_said(
    certificates: tuple[str, str], tmp_path: Path
) -> None:
    """The message names both ways to trust it, and both work."""
    server, ca = certificates
    with served(tmp_path, "--certificate", server) as port:
        url = f"https://localhost:{port}"
        write_study(tmp_path, {"url": url})
        refused, by_variable = (
            measured(tmp_path),
            measured(tmp_path, "--json", "--out", "b", SSL_CERT_FILE=ca),
        )
        write_study(tmp_path, {"url": url, "ca_file": ca})
        by_file = measured(tmp_path, "--json", "--out", "c", "--client-processes", "2")

    assert refused.returncode == 5
    assert f"the certificate of https://localhost:{port} is not trusted" in refused.stderr
    assert "engine.ca_file" in refused.stderr
    assert "SSL_CERT_FILE=FILE" in refused.stderr
    for found in (by_variable, by_file):
        document = json.loads(found.stdout)
        assert document["certificate_checked"] is True
        assert document["failures"]["error"] == 0


def test_a_certificate_that_is_not_checked_is_said_aloud(
    certificates: tuple[str, str], tmp_path: Path
) -> None:
    """`verify: false` takes any certificate, and terminal and JSON say so."""
    with served(tmp_path, "--certificate", certificates[0]) as port:
        write_study(tmp_path, {"url": f"https://127.0.0.1:{port}", "verify": False})
        found = measured(tmp_path)

    document = json.loads((tmp_path / "out/measurement.json").read_text())
    assert f"The certificate of https://127.0.0.1:{port} was not checked" in found.stdout
    assert document["certificate_checked"] is False
    assert document["failures"]["error"] == 0


def test_a_certificate_of_another_host_is_not_mended_by_a_file(
    certificates: tuple[str, str], tmp_path: Path
) -> None:
    """What is wrong with it is in the message."""
    with served(tmp_path, "--certificate", certificates[0]) as port:
        write_study(tmp_path, {"url": f"https://127.0.0.1:{port}", "ca_file": certificates[1]})
        found = measured(tmp_path)

    assert found.returncode == 5
    assert "is for another host (" in found.stderr


def test_a_server_without_tls_is_said_to_have_none(tmp_path: Path) -> None:
    """A server that speaks http alone is not one that does not answer."""
    with served(tmp_path) as port:
        write_study(tmp_path, {"url": f"https://127.0.0.1:{port}"})
        found = measured(tmp_path)

    assert found.returncode == 5
    assert "has no answer to TLS; is it http:// there?" in found.stderr
