"""Models: recipes that are fitted fold by fold, each imported from its file when first used. Baselines are models too."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
