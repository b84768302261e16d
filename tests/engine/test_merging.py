"""A strategic merge: the upper one wins, lists with names merge by name, and nothing else is touched."""

from hypothesis import given
from hypothesis import strategies as st

from dsl.engine.merging import joined, merged

SCALARS = st.integers() | st.text(max_size=3) | st.booleans()
NAMED = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"value": SCALARS, "x": SCALARS}),
    unique_by=lambda one: one["name"], max_size=3,
)  # fmt: skip
SPECS = st.recursive(
    st.dictionaries(st.sampled_from("uvw"), SCALARS | st.lists(SCALARS, max_size=2), max_size=3),
    lambda inner: st.fixed_dictionaries({}, optional={"env": NAMED, "parameters": NAMED, "in": inner}),
    max_leaves=4,
)  # fmt: skip


@given(SPECS)
def test_what_says_nothing_changes_nothing(spec):
    assert merged(spec, {}) == merged({}, spec) == merged(spec, spec) == spec


@given(SPECS, SPECS)
def test_the_upper_one_wins_and_merging_again_changes_nothing(base, own):
    both = merged(base, own)
    assert merged(both, own) == both
    assert set(both) == set(base) | set(own)
    for key, value in own.items():
        if not isinstance(value, dict | list) or key not in base:
            assert both[key] == value


@given(NAMED, NAMED)
def test_elements_of_one_name_become_one_in_the_order_of_the_lower_list(base, own):
    env = merged({"env": base}, {"env": own})["env"]
    names = [one["name"] for one in base]
    assert [one["name"] for one in env] == names + [one["name"] for one in own if one["name"] not in names]
    for one in env:
        lower, upper = ({} if not found else found[0] for found in (
            [each for each in base if each["name"] == one["name"]],
            [each for each in own if each["name"] == one["name"]],
        ))  # fmt: skip
        assert one == {**lower, **upper}


def test_a_parameter_with_a_value_is_taken_whole_and_one_without_is_filled():
    base = {
        "arguments": {"parameters": [{"name": "p", "value": "b", "enum": ["b"]}, {"name": "q", "value": "b"}]}
    }
    own = {"arguments": {"parameters": [{"name": "p", "value": "o"}, {"name": "q", "description": "mine"}]}}
    assert joined(own, base)["arguments"]["parameters"] == [
        {"name": "p", "value": "o"},
        {"name": "q", "value": "b"},
    ]


def test_only_the_workflow_itself_says_that_it_is_suspended():
    assert joined({}, {"suspend": True, "entrypoint": "a"}) == {"entrypoint": "a"}
    assert joined({"suspend": True}, {})["suspend"] is True
