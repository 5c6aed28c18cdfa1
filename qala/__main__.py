from __future__ import annotations

from qala.site.cli import main

if __name__ == "__main__":
    main()
