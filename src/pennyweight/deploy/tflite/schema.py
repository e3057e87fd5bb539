"""The numbers of TensorFlow Lite's schema that we read and write (`tensorflow/lite/schema/schema.fbs`, version 3).

Fields of tables are numbered as the schema lists them, operators and types as its enums do.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

IDENTIFIER = b"TFL3"
VERSION = 3

METADATA_IDENTIFIER = b"M001"
METADATA_NAME = "TFLITE_METADATA"


class Model(IntEnum):
    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    DESCRIPTION = 3
    BUFFERS = 4
    METADATA = 6


class Metadata(IntEnum):
    NAME = 0
    BUFFER = 1


class OperatorCode(IntEnum):
    DEPRECATED_BUILTIN_CODE = 0
    CUSTOM_CODE = 1
    VERSION = 2
    BUILTIN_CODE = 3


class SubGraph(IntEnum):
    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3
    NAME = 4


class Tensor(IntEnum):
    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    SPARSITY = 6


SHAPE_SIGNATURE = 7
"""The field of a tensor with its shape where the batch is not fixed: -1."""


class QuantizationParameters(IntEnum):
    SCALE = 2
    ZERO_POINT = 3
    QUANTIZED_DIMENSION = 6


class Buffer(IntEnum):
    DATA = 0


class Operator(IntEnum):
    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2
    OPTIONS_TYPE = 3
    OPTIONS = 4


class TensorType(IntEnum):
    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    INT8 = 9


DTYPES = {
    TensorType.FLOAT32: "<f4",
    TensorType.FLOAT16: "<f2",
    TensorType.INT32: "<i4",
    TensorType.UINT8: "u1",
    TensorType.INT64: "<i8",
    TensorType.INT8: "i1",
}

FUSED = ("", "relu", "relu_n1_to_1", "relu6")
"""Activations that an operator can clamp its result with, by their number."""


class Builtin(IntEnum):
    """Operators that we read. CAST and GATHER we write too, where a table has no operator of its own."""

    ADD = 0
    AVERAGE_POOL_2D = 1
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEQUANTIZE = 6
    FULLY_CONNECTED = 9
    LOGISTIC = 14
    MAX_POOL_2D = 17
    MUL = 18
    RELU = 19
    RELU6 = 21
    RESHAPE = 22
    SOFTMAX = 25
    TANH = 28
    PAD = 34
    GATHER = 36
    MEAN = 40
    SQUEEZE = 43
    CAST = 53
    PRELU = 54
    PADV2 = 60
    EXPAND_DIMS = 70
    REDUCE_MAX = 82
    LEAKY_RELU = 98
    QUANTIZE = 114
    HARD_SWISH = 117


BUILTIN_NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION
LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH
CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM
ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE
EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR
ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE
RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND
COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE
HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE
BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1
UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR
RIGHT_SHIFT
""".split()  # noqa: SIM905
"""The names of operators by their number, so that those can be named that we do not read; later ones have none."""


class Options(NamedTuple):
    """The table of an operator's options: its number among all, and its fields' numbers by name."""

    number: int
    fields: tuple[str, ...]


_POOL = Options(5, ("padding", "stride_w", "stride_h", "filter_w", "filter_h", "fused"))
_REDUCER = Options(27, ("keep_dims",))

OPTIONS = {
    Builtin.CONV_2D: Options(1, ("padding", "stride_w", "stride_h", "fused", "dilation_w", "dilation_h")),
    Builtin.DEPTHWISE_CONV_2D: Options(
        2, ("padding", "stride_w", "stride_h", "multiplier", "fused", "dilation_w", "dilation_h")
    ),
    Builtin.AVERAGE_POOL_2D: _POOL,
    Builtin.MAX_POOL_2D: _POOL,
    Builtin.FULLY_CONNECTED: Options(8, ("fused", "weights_format", "keep_dims")),
    Builtin.SOFTMAX: Options(9, ("beta",)),
    Builtin.CONCATENATION: Options(10, ("axis", "fused")),
    Builtin.ADD: Options(11, ("fused",)),
    Builtin.MUL: Options(21, ("fused",)),
    Builtin.GATHER: Options(23, ("axis", "batch_dims")),
    Builtin.MEAN: _REDUCER,
    Builtin.REDUCE_MAX: _REDUCER,
    Builtin.CAST: Options(37, ("of", "to")),
    Builtin.LEAKY_RELU: Options(75, ("alpha",)),
}

OPTION_FORMATS = {
    "padding": "b",
    "fused": "b",
    "weights_format": "b",
    "keep_dims": "b",
    "of": "b",
    "to": "b",
    "beta": "f",
    "alpha": "f",
}
"""The formats of options that are no int32."""

OPTION_DEFAULTS = {"dilation_w": 1, "dilation_h": 1}
"""What options are that a file leaves out, where that is not 0."""
