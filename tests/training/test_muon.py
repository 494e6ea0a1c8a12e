"""Muon: its matrices' steps against the singular value decomposition, the rest against torch's AdamW."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metricpose.training.muon import Muon, is_matrix, orthogonalised


@pytest.mark.parametrize("shape", [(24, 37), (37, 24), (31, 31)])
def test_orthogonalised_keeps_singular_vectors_and_flattens_singular_values(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    u, _, vt = np.linalg.svd(matrix.numpy(), full_matrices=False)
    rotated = u.T @ orthogonalised(matrix, 10).numpy() @ vt.T
    assert np.abs(rotated - np.diag(np.diag(rotated))).max() < 0.1  # bfloat16
    assert np.diag(rotated).min() > 0.55
    assert np.diag(rotated).max() < 1.3


def test_what_counts_as_a_matrix():
    assert is_matrix(nn.Conv2d(20, 31, 1).weight)
    assert is_matrix(nn.Linear(20, 31).weight)
    assert not is_matrix(nn.Conv2d(20, 31, 3).weight)
    assert not is_matrix(nn.Conv2d(31, 31, 1, groups=31).weight)
    assert not is_matrix(nn.Conv2d(20, 5, 1).weight)
    assert not is_matrix(nn.Linear(20, 31).bias)


def test_first_step_of_a_matrix_has_the_size_of_adamw():
    weight = nn.Parameter(torch.zeros(30, 50, 1, 1))
    weight.grad = torch.randn(30, 50, 1, 1, generator=torch.Generator().manual_seed(5)) * 1e-3
    Muon([weight], lr=0.01).step()
    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.3)


def test_momentum_is_nesterovs():
    weight = nn.Parameter(torch.zeros(17, 19))
    optimizer = Muon([weight], lr=1.0, momentum=0.8)
    first, second = torch.randn(2, 17, 19, generator=torch.Generator().manual_seed(7))
    weight.grad = first.clone()
    optimizer.step()
    before = weight.detach().clone()
    weight.grad = second.clone()
    optimizer.step()
    average = 0.8 * (0.2 * first) + 0.2 * second
    expected = orthogonalised(0.2 * second + 0.8 * average) * 0.2 * 19**0.5
    torch.testing.assert_close(before - weight.detach(), expected, atol=0.02, rtol=0.02)  # bfloat16


def test_everything_else_follows_adamw():
    def run(make):
        parameters = [nn.Parameter(torch.linspace(-1, 1, 18 * 9).view(18, 1, 3, 3)), nn.Parameter(torch.ones(5))]
        optimizer = make(parameters)
        generator = torch.Generator().manual_seed(11)
        for _ in range(4):
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        return parameters

    ours = run(lambda p: Muon(p, lr=0.02, weight_decay=0.3))
    theirs = run(lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.3))
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)


def test_parameters_without_gradient_stay_and_closures_run():
    moving, frozen = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = Muon([moving, frozen], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = moving.sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 3.0
    assert (moving < 1).all()
    assert (frozen == 1).all()
