"""Small networks from JSON files, worked through neuron by neuron."""

from retrograd.explain.network.description import Layer as Layer
from retrograd.explain.network.description import Network as Network
from retrograd.explain.network.explanation import NetworkExplanation as NetworkExplanation
from retrograd.explain.network.explanation import explain_network as explain_network
from retrograd.explain.network.files import load as load
