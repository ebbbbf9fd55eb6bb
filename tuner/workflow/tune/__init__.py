"""The main job: search, second looks, proof, and the conclusion."""
