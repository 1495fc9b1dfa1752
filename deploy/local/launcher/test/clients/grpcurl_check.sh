#!/bin/sh
# What grpcurl, which knows nothing but reflection, sees of a running gateway. Not part of the tests, for it comes by Go:
#   go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
#   sh grpcurl_check.sh 127.0.0.1:7107 <token> late-arrival '<inputs as JSON>'
set -eu
address=$1 token=$2 model=$3 inputs=$4
grpcurl=${GRPCURL:-grpcurl}
service=inference.GRPCInferenceService

call() { "$grpcurl" -plaintext -H "authorization: Bearer $token" "$@"; }
must() { # what, pattern: reads what was said
  said=$(cat)
  if printf '%s' "$said" | grep -q "$2"; then echo "ok    $1"; else echo "WRONG $1: $said"; exit 1; fi
}

call "$address" list | must 'reflection lists the service' "^$service\$"
call "$address" list "$service" | wc -l | must 'and its 20 calls' '^ *20$'
call "$address" describe inference.ModelConfig | must 'describes messages' 'max_batch_size = 4'
"$grpcurl" -plaintext "$address" "$service/ServerReady" | must 'ServerReady, without a token' '"ready": true'
call -d "{\"name\": \"$model\"}" "$address" "$service/ModelMetadata" | must 'ModelMetadata' '"platform": "onnxruntime_onnx"'
call -d "{\"name\": \"$model\"}" "$address" "$service/ModelConfig" | must 'ModelConfig' '"max_\?[bB]atch_\?[sS]ize": 1000'
call "$address" "$service/RepositoryIndex" | must 'RepositoryIndex' '"state": "READY"'
call -d "{\"model_name\": \"$model\", \"id\": \"g-1\", \"inputs\": $inputs}" "$address" "$service/ModelInfer" |
  must 'ModelInfer, by typed contents' '"raw_\?[oO]utput_\?[cC]ontents"'
printf '{"model_name": "%s", "id": "%s", "inputs": %s}' "$model" a "$inputs" "$model" b "$inputs" |
  call -d @ "$address" "$service/ModelStreamInfer" | grep -c '"infer_\?[rR]esponse"' | must 'ModelStreamInfer, two answers' '^2$'
{ call -d '{"model_name": "no-such-model"}' "$address" "$service/ModelInfer" 2>&1 || true; } |
  must 'an unknown model' 'Code: NotFound'
{ call -d "{\"model_name\": \"$model\"}" "$address" "$service/RepositoryModelLoad" 2>&1 || true; } |
  must 'what is not offered' 'Code: Unimplemented'
