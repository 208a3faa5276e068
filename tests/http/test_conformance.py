"""What the document promises holds for requests that nobody has thought of."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_serve import serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "use_after_free",
)


@pytest.mark.slow
async def test_no_made_up_request_gets_an_answer_that_is_not_documented(tmp_path: Path, until):
    with serving(tmp_path / "data") as server:
        await until(server.answers, "it answers", within=15)
        # A stream has no end to wait for.
        arguments = [
            "--exclude-operation-id",
            "stream_session",
            "--checks",
            ",".join(CHECKS),
            "--max-examples",
            "50",
            "--seed",
            "1",
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            [
                str(Path(sys.executable).with_name("schemathesis")),
                *("run", f"{server.url}/schema/openapi.json", "-H", "X-User-ID: ada", "--no-color", *arguments),
            ],
            cwd=tmp_path,
            env={"NO_PROXY": "127.0.0.1", "PATH": ""},
            capture_output=True,
            text=True,
            timeout=300,
        )

    assert done.returncode == 0, done.stdout
