"""The contract between an exported network and whoever serves it."""

# float64 (batch, window, sensors), in the units of the sensors
INPUT_NAME = "windows"
# float64 (batch, sensors): newest row minus its reconstruction [standard deviations]
OUTPUT_NAME = "residuals"
