"""Every address of the house: the site's own, then each room's under its mount."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from virage.core import web
from virage.site import health, house

handler404 = "virage.core.web.refusals.page_not_found"
handler500 = "virage.core.web.refusals.server_error"

for _room in house.rooms():
    web.register_menu(_room.menu)

urlpatterns: list[URLPattern | URLResolver] = [
    path("health", health.health, name="health"),
    path("metrics", health.metrics, name="metrics"),
]
urlpatterns += [
    path(room.mount, include(f"{package}.urls"))
    for package, room in house.room_packages()
    if room.mount is not None and find_spec(f"{package}.urls")
]
