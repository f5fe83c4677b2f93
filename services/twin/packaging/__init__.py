"""From a fitted estimator to a signed bundle that predicts exactly the same."""
