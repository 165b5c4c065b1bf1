"""What a model does not know: how unlike the training data an input is, and which answers are given; needs no torch.

Everything is in one file of a model folder, ``doubt.safetensors``, which ``graft.doubt.kept`` reads with numpy alone.
``Doubt.judge(vectors, sure)`` gives the verdicts; ``vectors`` (n, width) float32 are the network's features as the head
sees them, maps and tokens averaged by ``pooled``; of a model that joins further features, the first ``width``.

Layout of ``doubt.safetensors``, n calibration answers, d = width:

====================  ===========  =====================================================================================
tensor                dtype        what it is
====================  ===========  =====================================================================================
narrowing             i8 (d, k)    1 and -1, drawn at random: features @ narrowing is what is scored; absent where k = d
mahalanobis.centre    f32 (k,)     subtracted first; these four are there where the score is ``mahalanobis``
mahalanobis.scale     f32 (1,)     what is left is multiplied by
mahalanobis.whitening f16 (k, k)   and by this has a covariance of 1 within classes
mahalanobis.means     f32 (c, k)   of the classes, whitened; one row where the answers are not classes
nearest.bank          f16 (m, k)   training inputs, each of length 1; there where the score is ``nearest``
calibration.unlike    f32 (n,)     scores of inputs that the score's own fit had not seen
calibration.sure      f32 (n,)     probability of the answer; absent unless the answers are classes
calibration.truth     f32 (n,)     probability of the true class; absent unless the answers are classes
calibration.right     u8 (n,)      1 where the answer was right; absent unless the answers are classes
calibration.off       f32 (n,)     size of the error in the unit of the labels; there where the answers are numbers
reference.projection  f32 (d, p)   drawn at random: features @ projection is what drift is looked for in
reference.values      f32 (m, p)   of inputs that nothing was trained on, or of all where the features are as pretrained
====================  ===========  =====================================================================================

Its metadata has one key, ``doubt``: JSON with ``format`` (1), ``score`` (``mahalanobis`` or ``nearest``),
``neighbours``, ``form`` (``class``, ``set`` or ``number``), ``unlike`` (``above``: the score above which an input is
unlike the training data, null where n was too small; ``share``: of inputs like the training ones that it takes for
others at most; ``n``), ``abstain`` (null, or what was promised: see ``graft.doubt.promise``), and ``facts`` (how the
score was chosen and what came of it on test data, for people). The same JSON stands in graft.json under ``doubt``.
"""
