"""The object types of a configuration: read together with it, and carried by it to all who work.

A worker that begins later works by the same types as its siblings, whatever has become of the files
meanwhile; what people change there takes effect with a reload, like all of the configuration.
"""

from noggin_mp.domain.object_types import Catalogue
from noggin_mp.settings import object_types
from noggin_mp.settings.schema import Settings


def read(settings: Settings) -> Settings:
    """The settings with their object types, as the files are now. Raises: ConfigError."""
    return settings.with_types(object_types.load(settings.object_types))


def of(settings: Settings) -> Catalogue:
    """The types that the settings carry; else as the files are now. Raises: ConfigError."""
    return settings.types or object_types.load(settings.object_types)
