"""The functions that a condition on one row may call within our own process.

Each is a scalar function that gives the same for the same arguments, and what it gives is at most about as long as
what it was given. The second is why this is a list and not a look at DuckDB's catalog: its memory limit does not hold
for the values of scalar functions (``repeat``, ``range``, ``lpad``, ``replace`` in one another), and ours is the
process that holds everybody's rows. A condition that calls anything else is judged as well, over the unit's rows in
a process of its own; only the rows it flags are then not named.
"""

from __future__ import annotations

_OPERATORS = """
+ - * / // % ** ^ & | << >> ~ @ || ~~ !~~ ~~* !~~* ~~~ ^@ && @> <@
"""
_NUMBERS = """
abs sign ceil ceiling floor round trunc sqrt cbrt exp ln log log2 log10 pow power mod divide add subtract multiply
fmod fdiv gcd greatest least greatest_common_divisor isnan isinf isfinite even pi degrees radians sin cos tan asin
acos atan atan2 cot signbit xor bit_count
"""
_STRINGS = """
length len strlen char_length character_length length_grapheme bit_length octet_length lower lcase upper ucase trim
ltrim rtrim left right substr substring substring_grapheme left_grapheme right_grapheme reverse concat contains
starts_with ends_with prefix suffix instr strpos position ascii unicode ord strip_accents like_escape ilike_escape
not_like_escape not_ilike_escape regexp_matches regexp_full_match regexp_extract levenshtein editdist3 hamming
mismatches damerau_levenshtein jaccard jaro_similarity jaro_winkler_similarity md5 sha1 sha256 hash nullif
split_part
"""
_TIMES = """
year month day hour minute second millisecond microsecond nanosecond quarter week weekofyear yearweek weekday
dayofweek isodow dayofmonth dayofyear decade century millennium era epoch epoch_ms epoch_us epoch_ns isoyear julian
date_part datepart date_trunc datetrunc date_diff datediff date_sub datesub date_add time_bucket last_day dayname
monthname make_date make_time make_timestamp make_timestamptz to_timestamp timezone to_years to_months to_weeks
to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds strptime try_strptime days_in_month
"""
_NESTED = """
struct_extract struct_extract_at array_length list_contains list_has array_contains array_has list_position
list_indexof array_position array_indexof list_extract list_element array_extract map_extract map_extract_value
element_at cardinality map_contains list_has_any list_has_all array_has_any array_has_all
"""
_OTHER = """
if typeof json_valid
"""

ROW_FUNCTIONS = frozenset(f"{_OPERATORS}{_NUMBERS}{_STRINGS}{_TIMES}{_NESTED}{_OTHER}".split())
