"""What every descriptor promises."""

import numpy as np
import pytest
from test_preprocess import SAMPLES

from graft.errors import DataError
from graft.preprocess import REGISTRY as MODALITIES
from graft.preprocess import descriptors

PAIRS = [(name, kind) for kind in sorted(SAMPLES) for name in descriptors.of_modality(kind)]


def measured(name, kind):
    spec, one = MODALITIES.create(kind), descriptors.named(name)
    decoded = [spec.decode(content) for content in SAMPLES[kind]()]
    return spec, one, [one.measure(spec, each, spec.fit(each) if one.stored else np.zeros(0)) for each in decoded]


def test_every_descriptor_is_of_a_modality_and_says_what_it_is():
    for name in descriptors.REGISTRY.names():
        one = descriptors.named(name)
        assert one.modality is None or one.modality in MODALITIES.names()
        assert descriptors.REGISTRY.summary(name).endswith(".")
        assert name in {known for known, _ in PAIRS}


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_measure_is_the_same_each_time_and_finite_and_of_the_width_that_was_told(name, kind):
    spec, one, found = measured(name, kind)
    again = measured(name, kind)[2]
    assert all(np.array_equal(first, second) for first, second in zip(found, again, strict=True))
    if one.stored:
        assert {each.shape for each in found} == {(one.width(spec),)}
        assert all(each.dtype == np.float32 and np.isfinite(each).all() for each in found)
        assert len({each.tobytes() for each in found}) > 1


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_features_are_rows_that_do_not_depend_on_their_neighbours(name, kind):
    _, one, found = measured(name, kind)
    training = found if one.stored else [*found, *found]
    learned = one.learn(training, 0)
    assert all(isinstance(value, np.ndarray) for value in learned.values())
    together = one.encode(found, learned)
    assert together.dtype == np.float32 and together.shape[0] == len(found) and np.isfinite(together).all()
    np.testing.assert_array_equal(together, np.concatenate([one.encode([each], learned) for each in found]))


def texts(*words):
    return [np.frombuffer(one.encode(), np.uint8) for one in words]


def test_tfidf_learns_of_the_training_texts_alone():
    one = descriptors.named("tfidf")
    learned = one.learn(texts("red card", "red top up", "blue card", "blue top up"), 0)
    terms = learned["terms"].tobytes().decode().split("\n")
    assert "red" in terms and "top up" in terms and "red card" not in terms
    known, unknown = one.encode(texts("red card", "never heard"), learned)
    assert np.abs(known).sum() > 0.5 and not unknown.any()


def test_tfidf_takes_signs_for_words_where_there_are_no_blanks():
    one = descriptors.named("tfidf")
    learned = one.learn(texts("我的卡在哪里", "我的卡", "转账失败", "转账"), 0)
    terms = learned["terms"].tobytes().decode().split("\n")
    assert {"卡", "我 的", "转 账"} <= set(terms)


def test_tfidf_of_texts_that_share_nothing_is_refused():
    with pytest.raises(DataError, match="must be ones that share words"):
        descriptors.named("tfidf").learn(texts("one", "two", "three"), 0)


def test_lengths_are_those_of_the_whole_text():
    spec = MODALITIES.create("text", {"max_length": 8})
    text = texts("a bc\n" * 100)[0]
    found = descriptors.named("length").measure(spec, text, spec.fit(text))
    np.testing.assert_allclose(np.expm1(found), [500, 200, 101], rtol=1e-4)


def test_mfcc_tells_high_from_low_and_not_loud_from_soft():
    import sounds

    spec, one = MODALITIES.create("audio"), descriptors.named("mfcc")

    def of(wave):
        decoded = spec.decode(sounds.encoded(wave))
        return one.measure(spec, decoded, spec.fit(decoded))

    low, high, soft = of(sounds.tone(300)), of(sounds.tone(2000)), of(0.3 * sounds.tone(300))
    assert np.abs(low - soft).max() < 0.2 * np.abs(low - high).max()


def test_tfidf_without_scikit_learn_gives_what_scikit_learn_gives():
    from sklearn.feature_extraction.text import TfidfVectorizer

    from graft.preprocess.descriptors.tfidf import WORDS

    texts = [
        "Where is my parcel?",
        "my PARCEL is late, my parcel!",
        "退款在哪里 refund",
        "the refund is late",
        "",
        "zzz",
    ]
    measures = [np.frombuffer(one.encode(), np.uint8) for one in texts]
    one = descriptors.named("tfidf")
    learned = one.learn(measures, 0)
    terms = learned["terms"].tobytes().decode().split("\n")
    theirs = TfidfVectorizer(token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True, vocabulary=terms)
    theirs.idf_ = learned["weights"]
    wanted = theirs.transform(texts) @ learned["directions"].T
    found = one.encode(measures, learned)
    assert found.dtype == np.float32
    assert np.allclose(found, wanted, atol=1e-6)
    assert found[0].any() and not found[-2:].any()
