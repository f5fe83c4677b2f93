"""Kernel machines: weighted similarities to the kept training rows, in double."""

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVR, NuSVR

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder
from services.twin.packaging.linear import ONE_TARGET

_KERNELS = {"linear", "rbf", "poly", "polynomial", "sigmoid"}


def support_vectors(builder: GraphBuilder, model: SVR | NuSVR, source: str) -> str:
    """Add a fitted support vector machine.

    Raises
    ------
    EstimatorUnsupported
        If its kernel is a function of the user's own.
    """
    # The value that `gamma="scale"` came to has no public name.
    kernel = _Kernel(model.kernel, float(model._gamma), model.coef0, model.degree)  # noqa: SLF001
    similarities = kernel.add(builder, source, model.support_vectors_)
    weights = builder.constant(np.asarray(model.dual_coef_[0], np.float64))
    offset = builder.constant(float(model.intercept_[0]))
    return builder.add("Add", [builder.add("MatMul", [similarities, weights]), offset])


def kernel_ridge(builder: GraphBuilder, model: KernelRidge, source: str) -> str:
    """Add a fitted kernel ridge regression; raises as `support_vectors`, and for several targets."""
    weights = np.asarray(model.dual_coef_, np.float64)
    if weights.size != len(weights):
        raise EstimatorUnsupported(ONE_TARGET)
    gamma = 1.0 / model.n_features_in_ if model.gamma is None else model.gamma
    kernel = _Kernel(model.kernel, gamma, model.coef0, model.degree)
    similarities = kernel.add(builder, source, model.X_fit_)
    return builder.add("MatMul", [similarities, builder.constant(weights.reshape(-1))])


class _Kernel:
    """A similarity of two rows, as scikit-learn defines it ("Pairwise metrics", user guide)."""

    def __init__(self, name: object, gamma: float, offset: float, degree: float) -> None:
        if name not in _KERNELS:
            raise EstimatorUnsupported(f"the kernel {name!r} has no exact conversion", supported=sorted(_KERNELS))
        self._name, self._gamma, self._offset, self._degree = name, gamma, offset, degree

    def add(self, builder: GraphBuilder, source: str, kept: NDArray[np.float64]) -> str:
        """Add the similarities `(n, m)` of the rows to `(m, f)` kept ones."""
        builder.allow(FLOAT_ROUNDING)
        if self._name == "rbf":
            return self._radial(builder, source, np.asarray(kept, np.float64))
        product = builder.add("MatMul", [source, builder.constant(np.asarray(kept, np.float64).T)])
        if self._name == "linear":
            return product
        scaled = builder.add("Mul", [product, builder.constant(float(self._gamma))])
        shifted = builder.add("Add", [scaled, builder.constant(float(self._offset))])
        if self._name == "sigmoid":
            return builder.add("Tanh", [shifted])
        return builder.add("Pow", [shifted, builder.constant(float(self._degree))])

    def _radial(self, builder: GraphBuilder, source: str, kept: NDArray[np.float64]) -> str:
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab loses digits far from zero, so both are moved to the middle of the kept rows.
        middle = kept.mean(axis=0)
        moved, kept = builder.add("Sub", [source, builder.constant(middle)]), kept - middle
        axis = builder.constant(np.array([1], np.int64))
        own = builder.add("ReduceSumSquare", [moved, axis], keepdims=1)
        theirs = builder.constant(np.sum(kept * kept, axis=1)[np.newaxis])
        product = builder.add("MatMul", [moved, builder.constant(-2.0 * kept.T)])
        distance = builder.add("Add", [builder.add("Add", [own, product]), theirs])
        positive = builder.add("Max", [distance, builder.constant(0.0)])
        return builder.add("Exp", [builder.add("Mul", [positive, builder.constant(-float(self._gamma))])])
