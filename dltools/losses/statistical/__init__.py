"""Losses that are statistics of true and false positives and negatives."""

from dltools.losses.statistical.lovasz import LovaszLoss
from dltools.losses.statistical.mcc import MCCLoss
from dltools.losses.statistical.overlap import F1Loss, FocalTverskyLoss, TverskyLoss

__all__ = ["F1Loss", "FocalTverskyLoss", "LovaszLoss", "MCCLoss", "TverskyLoss"]
