"""Our seq2seq/bahdanau in plain PyTorch: 20,518,405 parameters."""

import torch
from torch import nn


def bahdanau(hoisted: bool = True) -> nn.Module:
    """Builds the network; see scripts/peers/translation.py for its two forms."""
    return _Bahdanau(hoisted)


class _Bahdanau(nn.Module):
    def __init__(self, hoisted: bool, e: int = 256, h: int = 512):
        super().__init__()
        self.hoisted = hoisted
        self.source, self.target = nn.Embedding(7_853, e), nn.Embedding(5_893, e)
        self.encoder = nn.GRU(e, h, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(2 * h, h)
        self.scores = nn.Linear(3 * h, h)  # of a state beside an annotation
        self.energy = nn.Linear(h, 1, bias=False)
        self.decoder = nn.GRU(2 * h + e, h, batch_first=True)
        self.head = nn.Linear(3 * h + e, 5_893)
        self.drop = nn.Dropout(0.5)

    def forward(self, source, target):
        """Computes logits (b, t, v) of source (b, s) and target (b, t)."""
        hidden = source == 0
        packed = nn.utils.rnn.pack_padded_sequence(
            self.drop(self.source(source)),
            (~hidden).sum(1),
            batch_first=True,
            enforce_sorted=False,
        )
        annotations, ends = self.encoder(packed)
        annotations, _ = nn.utils.rnn.pad_packed_sequence(
            annotations, batch_first=True, total_length=source.shape[1]
        )
        state = torch.tanh(self.bridge(torch.cat([ends[0], ends[1]], -1)))
        x = self.drop(self.target(target))
        if self.hoisted:
            return self._hoisted(x, state, annotations, hidden)
        logits = []
        for now in x.unbind(1):
            beside = state[:, None].expand(-1, annotations.shape[1], -1)
            inner = torch.tanh(self.scores(torch.cat([beside, annotations], -1)))
            score = self.energy(inner)[..., 0].masked_fill(hidden, -1e10)
            context = (score.softmax(-1)[:, None] @ annotations)[:, 0]
            _, last = self.decoder(torch.cat([now, context], -1)[:, None], state[None])
            state = last[0]
            logits.append(self.head(torch.cat([state, context, now], -1)))
        return torch.stack(logits, 1)

    def _hoisted(self, x, state, annotations, hidden):
        h = state.shape[1]
        query, key = self.scores.weight.split([h, 2 * h], 1)
        keys = annotations @ key.T + self.scores.bias
        states, contexts = [], []
        for now in x.unbind(1):
            inner = torch.tanh((state @ query.T)[:, None] + keys)
            score = self.energy(inner)[..., 0].masked_fill(hidden, -1e10)
            context = (score.softmax(-1)[:, None] @ annotations)[:, 0]
            _, last = self.decoder(torch.cat([now, context], -1)[:, None], state[None])
            state = last[0]
            states.append(state)
            contexts.append(context)
        seen = torch.stack(states, 1), torch.stack(contexts, 1), x
        return self.head(torch.cat(seen, -1))
