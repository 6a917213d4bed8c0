"""Engines that do not share our lock: each in its own environment and process, made when first asked for."""

import hashlib
import subprocess
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
PEERS = HOUSE / "benchmarks" / "peers"


class Engines:
    """A process of benchmarks/peers/engines.py that has loaded a folder's tables."""

    def __init__(self, folder: Path) -> None:
        command = [environment("join"), "-W", "ignore", str(PEERS / "engines.py"), str(folder)]
        self._folder = folder
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._heard("ready")

    def join(self, engine: str) -> None:
        """Let an engine join; it keeps the answer."""
        self._tell(engine)

    def saved(self) -> Path:
        """Let the last answer be written as Parquet (id, zone)."""
        path = self._folder / "answer.parquet"
        self._tell(f"save {path}")
        return path

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        self._heard("done")

    def _heard(self, word: str) -> None:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        assert line == word, f"the peer said {line!r}, not {word!r}"


def environment(name: str) -> str:
    """Give the interpreter of .venv-NAME, made as benchmarks/peers/NAME.lock says."""
    lock, home = PEERS / f"{name}.lock", HOUSE / f".venv-{name}"
    python, stamp = home / "bin" / "python", home / ".stamp"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        uv = str(HOUSE / ".venv" / "bin" / "uv")
        subprocess.run(
            [uv, "venv", "-q", "--clear", "--python", str(HOUSE / ".venv" / "bin" / "python"), str(home)], check=True
        )
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", str(python), str(lock)], check=True)
        stamp.write_text(digest)
    return str(python)
