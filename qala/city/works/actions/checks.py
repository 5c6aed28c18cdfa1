"""What actions ask of the asker."""

from __future__ import annotations

from django.utils.translation import gettext as _

from qala.kernel.access import Who
from qala.kernel.errors import NotAllowed


def require_everywhere(who: Who, permission: str) -> None:
    """Require a permission for the whole city.

    Raises:
        NotAllowed, SignInNeeded: the asker does not hold it everywhere.
    """
    if not who.require(permission).everything:
        raise NotAllowed(_("This is for who may do it in the whole city."), fix=_("Ask an administrator."))
