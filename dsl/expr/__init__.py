"""The languages inside manifests: expr (`{{= }}`, `depends`) and govaluate (`when`); no task runs here."""
