"""The import contract that import-linter has no type for: matters are entered through one module."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PublicDoorContract(Contract):
    """Whoever imports from a matter, and is not of it, imports its door and nothing else of it.

    Configuration options:
        - city:  The package whose children are the matters.
        - door:  Name of the module inside each matter that others may import.
    """

    type_name = "public_door"

    city = fields.StringField()
    door = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found: list[dict[str, object]] = []
        for matter in sorted(graph.find_children(str(self.city))):
            door = f"{matter}.{self.door}"
            for module in sorted(graph.find_descendants(matter) - {door}):
                for importer in sorted(graph.find_modules_that_directly_import(module)):
                    if importer == matter or importer.startswith(f"{matter}.") or ".tests." in f"{importer}.":
                        continue
                    found += [{**detail} for detail in graph.get_import_details(importer=importer, imported=module)]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for one in check.metadata["found"]:
            output.print_error(f"{one['importer']} imports {one['imported']} (line {one['line_number']})", bold=False)
            output.new_line()
