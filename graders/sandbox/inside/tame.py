"""What a source may use and still share its process with other rows: lists of names, no code.

Does: names functions, classes and constants that keep nothing of what they are given where a later
row could find it, run no text, open no file and hand out no module, frame or dictionary of an
interpreter that all rows share. Does not: name all such things. What is not here costs a process a
row, so an entry is added only after a look at what it reaches; tests/sandbox/test_tame.py looks too.
"""

# The tables read better as text.
# ruff: noqa: SIM905

from __future__ import annotations

__all__ = [
    "BASES",
    "BEGINNINGS",
    "BUILTINS",
    "DECORATORS",
    "DUNDERS",
    "FIELDS",
    "METHODS",
    "NAMES",
    "PACKAGES",
    "TYPES",
    "WORDS",
]

_TYPING = """Any AnyStr Callable ClassVar Counter DefaultDict Deque Dict Final FrozenSet Generator
Generic Hashable Iterable Iterator List Mapping MutableMapping MutableSequence NamedTuple NoReturn
Optional OrderedDict Protocol Sequence Set Sized SupportsFloat SupportsInt Text Tuple Type TypeAlias
TypedDict TypeVar Union cast"""
_PATTERN = """A ASCII DEBUG DOTALL I IGNORECASE L LOCALE M MULTILINE NOFLAG Match Pattern S U UNICODE
VERBOSE X compile error escape findall finditer fullmatch match search split sub subn"""
_LEVENSHTEIN = """distance editops hamming jaro jaro_winkler matching_blocks median opcodes ratio
seqratio setratio"""
_DISTANCE = "distance editops normalized_distance normalized_similarity opcodes similarity"

NAMES: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "__future__": "annotations division generator_stop print_function unicode_literals",
        "abc": "ABC abstractmethod",
        "array": "array",
        "ast": """AST Add Assign Attribute AsyncFunctionDef AugAssign AnnAssign BinOp BoolOp Call
            ClassDef Compare Constant Dict Div Eq Expr Expression FloorDiv For FunctionDef Gt GtE If
            Import ImportFrom In Invert Is IsNot List ListComp Load Lt LtE Mod Module Mult Name Not
            NotEq NotIn Or And Pass Pow Return Set Starred Store Str Sub Subscript Try Tuple UAdd
            USub UnaryOp While With dump get_docstring iter_child_nodes iter_fields literal_eval
            parse unparse walk""",
        "base64": """b16decode b16encode b32decode b32encode b64decode b64encode b85decode b85encode
            standard_b64decode standard_b64encode urlsafe_b64decode urlsafe_b64encode""",
        "binascii": "Error a2b_base64 b2a_base64 crc32 hexlify unhexlify",
        "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
        "calendar": "isleap leapdays monthrange timegm weekday",
        "cmath": """acos asin atan cos cosh e exp inf isclose isfinite isinf isnan log log10 nan phase
            pi polar rect sin sinh sqrt tan tanh tau""",
        "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
        "collections.abc": """Callable Collection Container Generator Hashable Iterable Iterator
            Mapping MutableMapping MutableSequence MutableSet Sequence Set Sized""",
        "colorsys": "hls_to_rgb hsv_to_rgb rgb_to_hls rgb_to_hsv rgb_to_yiq yiq_to_rgb",
        "contextlib": "nullcontext suppress",
        "copy": "copy deepcopy",
        "csv": "DictReader DictWriter Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC reader writer",
        "dataclasses": "asdict astuple dataclass field fields is_dataclass replace",
        "datetime": "UTC date datetime time timedelta timezone",
        "decimal": """Decimal DivisionByZero InvalidOperation Overflow ROUND_CEILING ROUND_DOWN
            ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP getcontext localcontext""",
        "difflib": """Differ IS_CHARACTER_JUNK IS_LINE_JUNK SequenceMatcher context_diff
            get_close_matches ndiff unified_diff""",
        "enum": "Enum Flag IntEnum IntFlag StrEnum auto unique",
        "fractions": "Fraction",
        "functools": "cache cmp_to_key lru_cache partial reduce total_ordering",
        "hashlib": "blake2b blake2s md5 sha1 sha224 sha256 sha384 sha3_256 sha3_512 sha512",
        "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
        "html": "escape unescape",
        "io": "BytesIO StringIO",
        "itertools": """accumulate batched chain combinations combinations_with_replacement compress
            count cycle dropwhile filterfalse groupby islice pairwise permutations product repeat
            starmap takewhile tee zip_longest""",
        "json": "JSONDecodeError JSONDecoder JSONEncoder dumps loads",
        "json.decoder": "JSONDecodeError",
        "keyword": "iskeyword issoftkeyword",
        "math": """acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e
            erf erfc exp exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose
            isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi
            pow prod radians remainder sin sinh sqrt sumprod tan tanh tau trunc ulp""",
        "numbers": "Complex Integral Number Rational Real",
        "operator": """abs add and_ concat contains countOf eq floordiv ge gt index indexOf inv invert
            is_ is_not itemgetter le lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv
            truth xor""",
        "pprint": "pformat pprint",
        "random": """Random betavariate choice choices expovariate gammavariate gauss getrandbits
            lognormvariate normalvariate paretovariate randbytes randint random randrange sample seed
            shuffle triangular uniform vonmisesvariate weibullvariate""",
        "re": _PATTERN + " RegexFlag",
        "reprlib": "repr",
        "statistics": """NormalDist StatisticsError correlation covariance fmean geometric_mean
            harmonic_mean linear_regression mean median median_grouped median_high median_low mode
            multimode pstdev pvariance quantiles stdev variance""",
        "string": """Template ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits
            octdigits printable punctuation whitespace""",
        "struct": "calcsize error iter_unpack pack unpack unpack_from",
        "textwrap": "dedent fill indent shorten wrap",
        "time": """asctime ctime gmtime localtime mktime monotonic monotonic_ns perf_counter
            perf_counter_ns process_time sleep strftime strptime time time_ns""",
        "typing": _TYPING + " Literal Self",
        "typing_extensions": _TYPING + " Literal NotRequired Required Self",
        "unicodedata": """bidirectional category combining decimal decomposition digit
            east_asian_width is_normalized lookup mirrored name normalize numeric""",
        "urllib.parse": """ParseResult SplitResult parse_qs parse_qsl quote quote_plus unquote
            unquote_plus urlencode urljoin urlparse urlsplit urlunparse urlunsplit""",
        "uuid": "UUID uuid3 uuid4 uuid5",
        "warnings": "filterwarnings simplefilter warn",
        "xml.etree.ElementTree": "Element ParseError SubElement XML fromstring iselement tostring",
        "zlib": "adler32 compress crc32 decompress error",
        "zoneinfo": "ZoneInfo ZoneInfoNotFoundError",
        # Packages.
        "Levenshtein": _LEVENSHTEIN,
        "dateutil.parser": "ParserError isoparse parse",
        "dateutil.relativedelta": "relativedelta",
        "jsonschema": "SchemaError ValidationError validate",
        "jsonschema.exceptions": "SchemaError ValidationError",
        "nltk": "edit_distance ngrams sent_tokenize word_tokenize wordpunct_tokenize",
        "nltk.corpus.stopwords": "words",  # a list of its own each time; fileids() gives the reader's
        "nltk.metrics": "edit_distance jaccard_distance",
        "nltk.metrics.distance": "edit_distance jaccard_distance",
        "nltk.stem": "PorterStemmer",
        "nltk.stem.porter": "PorterStemmer",
        "nltk.tokenize": "sent_tokenize word_tokenize wordpunct_tokenize",
        "nltk.translate.bleu_score": "SmoothingFunction corpus_bleu sentence_bleu",
        "nltk.translate.gleu_score": "corpus_gleu sentence_gleu",
        "nltk.translate.meteor_score": "meteor_score single_meteor_score",
        "nltk.util": "bigrams everygrams ngrams skipgrams trigrams",
        # Not empty, empty_like, ndarray: they show what earlier rows left in the memory.
        "numpy": """abs absolute add all allclose amax amin any append arange arccos arcsin arctan
            arctan2 argmax argmin argpartition argsort argwhere around array array_equal asarray
            atleast_1d atleast_2d average bincount bool_ ceil clip column_stack concatenate convolve
            corrcoef correlate cos cosh count_nonzero cov cross cumprod cumsum deg2rad degrees diag diff
            digitize divide dot dtype dstack e einsum equal errstate exp expand_dims expm1 eye fabs flip
            float16 float32 float64 floor floor_divide fmax fmin full full_like gradient greater
            greater_equal histogram hstack hypot identity inf inner int16 int32 int64 int8 integer
            interp intersect1d isclose isfinite isin isinf isnan kron less less_equal linspace log log10
            log1p log2 logaddexp logical_and logical_not logical_or logical_xor logspace max maximum
            mean median meshgrid min minimum mod multiply nan nan_to_num nanargmax nanargmin nanmax
            nanmean nanmedian nanmin nanpercentile nanquantile nanstd nansum nanvar negative newaxis
            nonzero not_equal number ones ones_like outer pad percentile pi power prod ptp quantile
            rad2deg radians ravel repeat reshape resize roll round rot90 searchsorted select setdiff1d
            sign signbit sin sinh sort split sqrt square squeeze stack std subtract sum swapaxes take tan
            tanh tensordot tile trace transpose trapezoid trapz tril triu true_divide trunc uint16 uint32
            uint64 uint8 union1d unique unravel_index var vdot vstack where zeros zeros_like""",
        "numpy.fft": "fft fft2 fftfreq fftshift ifft ifft2 ifftshift irfft rfft rfftfreq",
        "numpy.linalg": """LinAlgError cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_power
            matrix_rank multi_dot norm pinv qr slogdet solve svd""",
        "numpy.random": """RandomState beta binomial choice default_rng exponential gamma geometric
            normal permutation poisson rand randint randn random random_sample seed shuffle
            standard_normal uniform""",
        "rapidfuzz.distance.Hamming": _DISTANCE,
        "rapidfuzz.distance.Indel": _DISTANCE,
        "rapidfuzz.distance.Jaro": _DISTANCE,
        "rapidfuzz.distance.JaroWinkler": _DISTANCE,
        "rapidfuzz.distance.LCSseq": _DISTANCE,
        "rapidfuzz.distance.Levenshtein": _DISTANCE,
        "rapidfuzz.distance.OSA": _DISTANCE,
        "rapidfuzz.distance.DamerauLevenshtein": _DISTANCE,
        "rapidfuzz.fuzz": """QRatio WRatio partial_ratio partial_ratio_alignment partial_token_ratio
            partial_token_set_ratio partial_token_sort_ratio ratio token_ratio token_set_ratio
            token_sort_ratio""",
        "rapidfuzz.process": "cdist extract extractOne extract_iter",
        "rapidfuzz.utils": "default_process",
        "rdkit.Chem": """AddHs CanonSmiles MolFromInchi MolFromSmarts MolFromSmiles MolToInchi
            MolToInchiKey MolToSmiles RemoveHs SanitizeMol""",
        "rdkit.Chem.Descriptors": "ExactMolWt MolLogP MolWt TPSA",
        "rdkit.DataStructs": "DiceSimilarity FingerprintSimilarity TanimotoSimilarity",
        "regex": _PATTERN + " BESTMATCH ENHANCEMATCH V0 V1",
        "rouge_score.rouge_scorer": "RougeScorer",
        "scipy.optimize": "linear_sum_assignment",
        "scipy.spatial.distance": """braycurtis canberra cdist chebyshev cityblock correlation cosine
            euclidean hamming jaccard minkowski pdist sqeuclidean squareform""",
        "scipy.special": "comb erf erfc expit gamma gammaln logit logsumexp softmax",
        "scipy.stats": """entropy gmean hmean iqr kendalltau ks_2samp kurtosis linregress mannwhitneyu
            mode pearsonr rankdata skew spearmanr ttest_1samp ttest_ind ttest_rel wasserstein_distance
            zscore""",
        "sklearn.feature_extraction.text": "CountVectorizer TfidfVectorizer",
        "sklearn.metrics": """accuracy_score balanced_accuracy_score cohen_kappa_score
            confusion_matrix f1_score matthews_corrcoef mean_absolute_error mean_squared_error
            ndcg_score precision_score r2_score recall_score roc_auc_score""",
        "sklearn.metrics.pairwise": "cosine_distances cosine_similarity euclidean_distances linear_kernel",
        "sqlparse": "format split",
        "yaml": "YAMLError dump safe_dump safe_load safe_load_all",
    }.items()
}
"""Module -> what of it may be used. Modules that are not here mean a process a row."""

PACKAGES = frozenset(
    ".".join(module.split(".")[:depth])
    for module in NAMES
    for depth in range(1, module.count(".") + 2)
)
"""These modules and what they are in."""

TYPES = frozenset({"numpy.ndarray"})
"""May only be asked about: called, they show what earlier rows left in the memory."""

BASES = frozenset(
    f"{module}.{name}"
    for module, names in {
        "abc": "ABC",
        "enum": "Enum Flag IntEnum IntFlag StrEnum",
        "typing": "Generic NamedTuple Protocol TypedDict",
        "typing_extensions": "Generic NamedTuple Protocol TypedDict",
    }.items()
    for name in names.split()
)
"""May only be inherited from: called, they make classes out of texts."""

DECORATORS = frozenset(
    "abc.abstractmethod dataclasses.dataclass enum.unique functools.total_ordering".split()
)
"""May only decorate: called, they change what they are given, be it a library's own."""

BUILTINS = frozenset(
    """ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError
    BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError
    ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning
    EnvironmentError Exception ExceptionGroup False FileExistsError FileNotFoundError
    FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError
    IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError
    ModuleNotFoundError NameError None NotADirectoryError NotImplemented NotImplementedError OSError
    OverflowError PendingDeprecationWarning PermissionError ProcessLookupError PythonFinalizationError
    RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration
    StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError True TypeError
    UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError
    UnicodeWarning UserWarning ValueError Warning ZeroDivisionError abs aiter all anext any ascii bin
    bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float format
    frozenset getattr hasattr hash hex id input int isinstance issubclass iter len list map max min next
    object oct ord pow print property range repr reversed round set slice sorted staticmethod str sum
    super tuple type zip""".split()
)
"""What may be used of the builtins; getattr, hasattr, super and type only as scan.py says."""

DUNDERS = frozenset("__name__ __doc__ __version__ __debug__".split())
"""Names with two underscores at either end that may be read."""

FIELDS = frozenset("_asdict _fields _make _replace".split())
"""Attributes with one underscore that may be read: those of named tuples."""

METHODS = frozenset(
    """__init__ __post_init__ __call__ __len__ __iter__ __next__ __repr__ __str__ __contains__
    __getitem__ __setitem__ __bool__ __float__ __int__ __lt__ __le__ __gt__ __ge__ __add__ __radd__
    __sub__ __mul__ __rmul__ __truediv__ __neg__ __enter__ __exit__""".split()
)
"""Special methods a class may define. Not __eq__ and __hash__: a library's cache compares its key
of an earlier row with one of this row by them, and so hands the earlier one out."""

BEGINNINGS = ("ag_", "cr_", "f_back", "func_", "gi_", "im_", "tb_")
"""How attributes begin that lead from generators and functions, Cython's too, to what is theirs."""

WORDS = frozenset(
    """co_consts co_code ctypes dump eval exec exec_module f_builtins f_code f_globals f_lasti
    f_lineno f_locals f_trace f_trace_lines f_trace_opcodes from_json_pickle load_module mro obj query
    register set_fit_request tofile""".split()
)
"""Attributes of values that lead to frames, files or what all rows share."""
