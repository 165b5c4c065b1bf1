"""What the server's answers and bodies look like, for its OpenAPI document."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Chance(BaseModel):
    """One class and its probability."""

    label: str
    probability: float


class Near(BaseModel):
    """A training example that the model keeps."""

    label: str
    cosine: float = Field(description="of its features and the input's")
    thumbnail: str | None = Field(None, description="a small picture as a data: address")
    excerpt: str | None = Field(None, description="the beginning of a text")


class Answer(BaseModel):
    """The answer for one input; which keys it has depends on the task, or ``error`` stands alone."""

    model_config = ConfigDict(extra="allow")

    input: str
    label: str | None = Field(None, description="the class, where there is one of several")
    probability: float | None = None
    top: list[Chance] | None = Field(None, description="the five most probable classes")
    accepted: bool | None = Field(None, description="whether the model is sure enough; absent where it cannot tell")
    reason: str | None = Field(None, description="why it is not accepted")
    nearest: list[Near] | None = Field(None, description="kept training examples most like the input, where asked for")
    error: str | None = Field(None, description="why this input could not be read")


class Answers(BaseModel):
    """The answers in the order of the inputs."""

    model: str
    version: str
    predictions: list[Answer]


class Fault(BaseModel):
    """Why there is no answer."""

    error: str
    message: str


ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "data": {"type": "string", "format": "byte", "description": "base64 of the bytes of a file"},
        "name": {"type": "string"},
        "columns": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            "description": "values of further columns, for a model that was fitted with such",
        },
    },
}
PREDICT: dict[str, Any] = {
    "parameters": [
        {"name": "model", "in": "query", "required": False, "schema": {"type": "string"}, "description": "which model"}
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "text": {"type": "array", "items": {"type": "string"}},
                        "columns": {"type": "string", "description": "a JSON object, for all inputs of the form"},
                        "model": {"type": "string"},
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        **ITEM["properties"],
                        "model": {"type": "string"},
                        "inputs": {"type": "array", "items": {"anyOf": [{"type": "string"}, ITEM]}},
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "text/plain": {"schema": {"type": "string"}},
        },
    },
}
NEAREST: dict[str, Any] = {
    "name": "nearest",
    "in": "query",
    "required": False,
    "schema": {"type": "integer", "minimum": 1, "maximum": 10},
    "description": "how many of the training examples that the model keeps to show beside each answer",
}
ASK: dict[str, Any] = {**PREDICT, "parameters": [*PREDICT["parameters"], NEAREST]}
TENSOR: dict[str, Any] = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    },
}
INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "inputs": {"type": "array", "items": TENSOR},
                        "outputs": {"type": "array", "items": {"type": "object"}},
                        "parameters": {"type": "object"},
                    },
                }
            }
        },
    }
}
RELOAD: dict[str, Any] = {
    "parameters": [{"name": "model", "in": "query", "required": False, "schema": {"type": "string"}}]
}
FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": Fault, "description": what}
    for status, what in {
        400: "the request is not as it must be",
        401: "the key is wrong or missing",
        403: "a page of another site asks",
        404: "there is no such model",
        408: "the body came too slowly",
        413: "the request is too large",
        415: "the body is of a type that is not known",
        421: "the host is not this machine",
        422: "the input cannot be read",
        429: "too many requests",
        503: "the server has as much as it can take",
        504: "the answer took too long",
    }.items()
}
