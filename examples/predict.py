"""Predict the yield of a reactor, one operating point and then many, with intervals.

Start the suite with `make run`, then in another shell: python examples/predict.py
"""

import sys

from futago import Client, InvalidInput


def main(credentials: str = "var/credentials.json") -> None:
    """Run the example against the suite that wrote this credentials file."""
    with Client(credentials=credentials) as suite:
        best = suite.predict({"temp": 360, "pressure": 6.0, "flow": 100}, model="yield")
        interval = best["prediction_interval"]
        print(f"yield {best['prediction']:.1f} {best['unit']}", end=" ")
        print(f"({interval['level']:.0%} sure: {interval['lower']:.1f} to {interval['upper']:.1f})")

        points = [{"temp": temp, "pressure": 6.0, "flow": 100} for temp in range(340, 381, 10)]
        for item in suite.batch(points, model="yield")["results"]:
            print(f"{item['input']['temp']} °C: {item['prediction']:.1f} %")

        try:
            suite.predict({"temp": 500, "pressure": 6.0}, model="yield")
        except InvalidInput as refused:
            for fault in refused.faults:
                print(f"refused: {fault.pointer} {fault.detail}")


if __name__ == "__main__":
    main(*sys.argv[1:])
