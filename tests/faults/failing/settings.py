from __future__ import annotations

from qala.site import settings as city

globals().update({name: getattr(city, name) for name in dir(city) if name.isupper()})
INSTALLED_APPS = ["tests.faults.failing", *city.INSTALLED_APPS]
