"""Every address of the house: the site's own, then each room's under its mount."""

from importlib.util import find_spec

from django.urls import include, path

from virage.site import health, house

urlpatterns = [
    path("health", health.health, name="health"),
    path("metrics", health.metrics, name="metrics"),
]
urlpatterns += [
    path(room.mount, include(f"{package}.urls"))
    for package, room in house.room_packages()
    if room.mount is not None and find_spec(f"{package}.urls")
]
