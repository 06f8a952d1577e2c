"""Every benchmark, one after the other.

python -m benchmarks
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the scripts beside this file; exit with 1 if one fails."""
    failed = []
    for script in sorted(HERE.glob("[!_]*.py")):
        print(f"== {script.stem}", flush=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(script.stem)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
