"""Files of p-values, as spreadsheets, pandas, R and people write them."""

import gzip

import pandas as pd
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.neurons.p_value_files import read_neuron_list, read_p_values

PLAIN = "layer,neuron,p\n0,0,0.25\n0,1,\n1,0,1e-3\n"


def read(tmp_path, content: str | bytes) -> pd.DataFrame:
    path = tmp_path / "p.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_p_values(path)


def rows(table: pd.DataFrame) -> list[tuple]:
    return [(*index, None if pd.isna(p) else p) for index, p in table["p"].items()]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\n\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("0.25", '"0,25"'),
        PLAIN.replace("0.25", " +.25 "),
        PLAIN.replace("0,1,", "00,1.0,NA"),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("\n", ",,\n").replace("p,,", "p"),
        PLAIN + ",,\n",
        "\n".join(f"{number},{line}" for number, line in enumerate(PLAIN.splitlines())).replace("0,l", ",l", 1),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        gzip.compress(PLAIN.encode()),
    ],
    ids=[
        "plain", "line ends of Windows", "empty lines", "semicolons", "decimal commas", "tabs", "quoted decimal commas",
        "spaces", "missing value by name", "empty last column", "trailing separators", "empty row", "pandas index",
        "byte order mark", "UTF-16", "compressed",
    ],
)  # fmt: skip
def test_the_same_table_is_read_however_it_is_written(tmp_path, content):
    assert rows(read(tmp_path, content)) == [(0, 0, 0.25), (0, 1, None), (1, 0, 0.001)]


@pytest.mark.parametrize(
    "header",
    ["Layer,Neuron,P", "layer_id,neuron_id,p_value", "LAYER-INDEX,neuron index,p.value", "Layer No,neuronIdx,PVal"],
)
def test_common_names_of_columns_are_understood(tmp_path, header):
    assert rows(read(tmp_path, f"{header},other\n3,4,0.5,0.9\n")) == [(3, 4, 0.5)]


def test_numbers_are_the_nearest_that_there_are(tmp_path):
    written = ["0.05", "0.1", "0.40572019111539415", "2.2250738585072014e-308", "5e-324", "1e-999", "0", "1"]

    found = read(tmp_path, "layer,neuron,p\n" + "".join(f"0,{n},{p}\n" for n, p in enumerate(written)))["p"]

    assert found.tolist() == [float(p) for p in written]


def test_names_of_layers_stay_as_they_are(tmp_path):
    table = read(tmp_path, "layer,neuron,p\nh.0,01,0.5\n1,2,0.5\n")

    assert table.index.tolist() == [("h.0", 1), ("1", 2)]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("layer,unit,p\n0,0,0.1\n", "has no column neuron (it has layer, unit, p): rename or add it."),
        ("a;b\n0;0\n", "has no column layer and no column neuron and no column p (it has a;b): rename or add it."),
        ("layer,neuron,p,p\n0,0,0.1,0.2\n", "has several columns for p (p, p): rename or remove all but one."),
        ("Layer,neuron,P,layer_id,p_value\n0,0,1,1,1\n", "has several columns for layer (Layer, layer_id): rename"),
        ("layer,neuron,p\n0,0,0.1,0.2\n", ", row 2 has too many or too few fields (4, the header has 3): correct the"),
        ("layer,neuron,p\n0,0,0,1\n", ", row 2 has too many or too few fields (4, the header has 3): correct the"),
        ("layer,neuron,p\n0,0,0.1\n\n0,1\n", ", row 4 has fewer fields than the header: add the missing ones."),
        ("layer,neuron,p\n0,0,0.1\n0,1,1.5\n", ", row 3 has the p-value 1.5: give a number from 0 to 1, or leave"),
        ("layer,neuron,p\n0,0,0.1\n,1,0.2\n", ", row 3 has no layer: add it or remove the row."),
        ("layer,neuron,p\n0,0,0.1\n0,NA,0.2\n", ", row 3 has no neuron: add it or remove the row."),
        ("layer,neuron,p\n0,0,0.1\n0.0,00,0.2\n", ", row 3 repeats neuron 0 of layer 0: remove one of the two rows."),
        ("layer,neuron,p\n0,0,\"0.1\n0,1,0.2\n", ", line 2: "),
        ("layer,neuron,p\n", "has no row below its header: give a file with p-values."),
        ("layer,neuron,p,\n0,1,0,05\n", "has values in the column after the p-values, which has no name, as decimal"),
        ("layer,neuron,p,note\n0,1,0,05\n0,2,1,\n0,3,0,30\n", "has p-values of 0 or 1 with digits in the column after"),
        ("\n", "has no column layer and no column neuron and no column p (it has an empty first line)"),
        ("", "is empty (0 bytes): copy or write it again, or remove it."),
        (PLAIN.encode("utf-16-le"), "is not text in UTF-8 (it has zero bytes): save it as a CSV in UTF-8."),
        (b"layer,neuron,p\n\xe9,0,0.1\n", "is not text in UTF-8 ("),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence_with_its_row(tmp_path, content, fault):
    with pytest.raises(StudyError) as found:
        read(tmp_path, content)

    assert fault in str(found.value)
    assert str(found.value).startswith(str(tmp_path / "p.csv")) and "\n" not in str(found.value)


@pytest.mark.parametrize(
    "value", ["-0.1", "inf", "-inf", "40.5%", "0.0_1", "1,000.5", "True", "high", "0x0", "٠", "1e9"]
)
def test_what_is_no_p_value_is_refused(tmp_path, value):
    with pytest.raises(
        StudyError, match=r"row 2 has the p-value .*: give a number from 0 to 1, or leave it empty"
    ) as found:
        read(tmp_path, f'layer,neuron,p\n0,0,"{value}"\n')

    assert f"p-value {value}:" in str(found.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"none\.csv cannot be read \(No such file or directory\)"):
        read_p_values(tmp_path / "none.csv")


def read_list(tmp_path, content: str) -> pd.DataFrame:
    path = tmp_path / "units.csv"
    path.write_text(content)
    return read_neuron_list(path, {0: 3, 1: 3})


@pytest.mark.parametrize(
    "content",
    ["layer,neuron\n1,2\n0,00\n", "Layer ID;Neuron Index;p\n1;2;0.5\n0;0;\n", "neuron\tlayer\n2.0\t1\n0\t0\n"],
)
def test_a_list_of_neurons_keeps_its_order(tmp_path, content):
    assert read_list(tmp_path, content).to_numpy().tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("layer,unit\n0,0\n", "has no column neuron (it has layer, unit): rename or add it."),
        ("layer,neuron\n", "has no row below its header: give a file with the layer and the number of each neuron."),
        ("layer,neuron\n0,1\n0,01\n", ", row 3 repeats neuron 1 of layer 0: remove one of the two rows."),
        ("layer,neuron\n0,\n", ", row 2 has no neuron: add it or remove the row."),
        ("layer,neuron\n0,1\n1,3\n", ", row 3 has neuron 3 of layer 1, which the model does not have: its layers are "
                                     "0 to 1, and the neurons of a layer 0 to 2."),
        ("layer,neuron\n2,1\n", ", row 2 has neuron 1 of layer 2, which the model does not have"),
        ("layer,neuron\n0,-1\n", ", row 2 has neuron -1 of layer 0, which the model does not have"),
        ("layer,neuron\nh.0,1\n", ", row 2 has neuron 1 of layer h.0, which the model does not have"),
        ("layer,neuron\n0,1.5\n", ", row 2 has neuron 1.5 of layer 0, which the model does not have"),
    ],
)  # fmt: skip
def test_a_fault_of_a_list_of_neurons_is_one_sentence_with_its_row(tmp_path, content, fault):
    with pytest.raises(StudyError) as found:
        read_list(tmp_path, content)

    assert fault in str(found.value)
