"""`futago demo`: the suite's main job from end to end, on real data or on the built-in plant."""
